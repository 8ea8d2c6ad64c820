"""The `modal` terminal backend: a sandbox for each scope. The SDK is imported at first use."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import msgspec

from hermes import PluginContext, Terminal, TerminalError, TerminalSpec
from hermes_plugin_remote.backend import RemoteBackend
from hermes_plugin_remote.handles import Handle
from hermes_plugin_remote.terminal import RemoteTerminal

if TYPE_CHECKING:
    from hermes_plugin_modal.account import Account


class ModalBackend(RemoteBackend):
    """Runs commands in sandboxes at Modal, which hold nothing of this machine."""

    isolated = True

    def __init__(self, context: PluginContext) -> None:
        super().__init__(context)
        self.host = f"image {context.settings.image}"
        self._account: Account | None = None

    async def close(self) -> None:
        if self._account is not None:
            await self._account.close()

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        directory = self.context.settings.directory
        return self._terminal(msgspec.structs.replace(spec, directory=directory))

    async def reach(self, handle: Handle) -> RemoteTerminal | None:
        if await self.account.running(handle.place) is None:
            return None
        return self._terminal(TerminalSpec("reaper"), handle.place)

    async def forget(self, scope: str) -> None:
        """End the sandbox of a scope and let go of its snapshot."""
        if (sandbox := await self.account.named(name_of(scope))) is not None:
            await self.account.terminate(sandbox)
        await self.account.keep(name_of(scope), "")

    @property
    def account(self) -> Account:
        """The client, made at first use."""
        if self._account is None:
            token = self.token()
            from hermes_plugin_modal.account import Account  # noqa: PLC0415 - a heavy SDK

            self._account = Account(self.context, *token)
        return self._account

    def token(self) -> tuple[str, str]:
        """Give the token's id and secret. Raise `TerminalError` where there is none."""
        secrets, settings = self.context.secrets, self.context.settings
        id, secret = secrets.get(settings.token_id), secrets.get(settings.token_secret)
        if not id or not secret:
            raise TerminalError(
                "modal: no token; put MODAL_TOKEN_ID and MODAL_TOKEN_SECRET into .env"
            )
        return id, secret

    def _terminal(self, spec: TerminalSpec, sandbox: str = "") -> RemoteTerminal:
        account = self.account
        from hermes_plugin_modal.terminal import ModalTerminal  # noqa: PLC0415

        return ModalTerminal(self.context, spec, account, name_of(spec.scope), sandbox)


def name_of(scope: str) -> str:
    """Name the sandbox of a scope: letters, digits, ``-._``, fewer than 64 of them."""
    name = f"hermes-{re.sub('[^A-Za-z0-9_.-]', '-', scope)}"
    return (
        name if len(name) < 64 else f"{name[:40]}-{hashlib.sha256(scope.encode()).hexdigest()[:16]}"
    )
