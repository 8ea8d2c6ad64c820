"""The `daytona` terminal backend: a sandbox for each scope. The SDK is imported when it opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from hermes import PluginContext, Terminal, TerminalError, TerminalSpec
from hermes_plugin_remote.backend import RemoteBackend
from hermes_plugin_remote.handles import Handle
from hermes_plugin_remote.terminal import RemoteTerminal

if TYPE_CHECKING:
    from hermes_plugin_daytona.account import Account


class DaytonaBackend(RemoteBackend):
    """Runs commands in sandboxes at Daytona, which hold nothing of this machine."""

    isolated = True

    def __init__(self, context: PluginContext) -> None:
        super().__init__(context)
        settings = context.settings
        self.host = settings.snapshot or f"image {settings.image}"
        self._account: Account | None = None

    async def close(self) -> None:
        if self._account is not None:
            await self._account.close()

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        return self._terminal(
            msgspec.structs.replace(spec, directory=self.context.settings.directory)
        )

    async def reach(self, handle: Handle) -> RemoteTerminal | None:
        sandbox = await self.account.find(handle.place)
        if sandbox is None or not self.account.runs(sandbox):
            return None  # nothing runs in one that is stopped
        return self._terminal(TerminalSpec("reaper"), handle.place)

    async def forget(self, scope: str) -> None:
        """Delete the sandbox of a scope."""
        if (sandbox := await self.account.find(name_of(scope))) is not None:
            await self.account.delete(sandbox)

    @property
    def account(self) -> Account:
        """The client, made at first use."""
        if self._account is None:
            key = self.key()
            from hermes_plugin_daytona.account import Account  # noqa: PLC0415 - a heavy SDK

            self._account = Account(self.context, key)
        return self._account

    def key(self) -> str:
        """Give the key. Raise `TerminalError` where there is none."""
        key = self.context.secrets.get(self.context.settings.api_key)
        if not key:
            raise TerminalError("daytona: no key; put DAYTONA_API_KEY into .env")
        return key

    def _terminal(self, spec: TerminalSpec, sandbox: str = "") -> RemoteTerminal:
        account = self.account
        from hermes_plugin_daytona.terminal import DaytonaTerminal  # noqa: PLC0415

        return DaytonaTerminal(self.context, spec, account, sandbox or name_of(spec.scope))


def name_of(scope: str) -> str:
    """Name the sandbox of a scope, as Hermes Agent does."""
    return f"hermes-{scope}"
