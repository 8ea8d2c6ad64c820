"""What ``hermes doctor`` asks of Daytona."""

from __future__ import annotations

from hermes_plugin_daytona.backend import DaytonaBackend
from hermes_plugin_local_terminal.checks import TerminalCheck


class DaytonaCheck(TerminalCheck):
    """Looks for a sandbox, if this is the terminal in use."""

    backend = "daytona"
    mend = "put DAYTONA_API_KEY into .env"

    async def look(self) -> str:
        backend = DaytonaBackend(self.context)
        backend.key()
        if not self.chosen:
            return "a key is there, not tried"
        try:
            await backend.account.find("hermes-doctor")
        finally:
            await backend.close()
        return "it lets us in"
