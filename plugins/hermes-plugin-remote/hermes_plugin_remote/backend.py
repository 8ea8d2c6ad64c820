"""What the backends of remote terminals share."""

from __future__ import annotations

from abc import abstractmethod

import msgspec

from hermes import PluginContext, TerminalBackend, TerminalError
from hermes_plugin_remote.handles import Handle
from hermes_plugin_remote.terminal import RemoteTerminal


class RemoteBackend(TerminalBackend):
    """Ends what a Hermes that died left running elsewhere."""

    def __init__(self, context: PluginContext) -> None:
        self.context = context

    @abstractmethod
    async def reach(self, handle: Handle) -> RemoteTerminal | None:
        """Give an unopened terminal that leads to where *handle* was; None where that is gone."""

    async def reap(self, handles: tuple[str, ...]) -> None:
        unreached: list[str] = []
        for text in handles:
            try:
                handle = Handle.of(text)
                if (terminal := await self.reach(handle)) is not None:
                    await terminal.end(handle)
            except msgspec.MsgspecError:
                self.context.log.warning("an unreadable handle", handle=text[:200])
            except TerminalError as error:
                unreached.append(str(error))
        if unreached:
            raise TerminalError(unreached[0])
