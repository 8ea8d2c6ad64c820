"""What ``hermes doctor`` asks of Modal."""

from __future__ import annotations

from hermes_plugin_local_terminal.checks import TerminalCheck
from hermes_plugin_modal.backend import ModalBackend


class ModalCheck(TerminalCheck):
    """Looks for the app, if this is the terminal in use."""

    backend = "modal"
    mend = "put MODAL_TOKEN_ID and MODAL_TOKEN_SECRET into .env"

    async def look(self) -> str:
        backend = ModalBackend(self.context)
        backend.token()
        if not self.chosen:
            return "a token is there, not tried"
        try:
            await backend.account.app()
        finally:
            await backend.close()
        return f"it lets us in, app {self.context.settings.app}"
