"""The `ssh` terminal backend: one other machine, over one connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hermes import PluginContext, Terminal, TerminalSpec
from hermes_plugin_remote import envelope
from hermes_plugin_remote.backend import RemoteBackend
from hermes_plugin_remote.channel import Channel
from hermes_plugin_remote.handles import Handle
from hermes_plugin_remote.terminal import RemoteTerminal
from hermes_plugin_ssh.connection import Connection


class SSHBackend(RemoteBackend):
    """Runs commands on another machine, where their grants alone bound them: it is the person's
    own, with all that they have there. So it does not count as isolated.
    """

    def __init__(self, context: PluginContext) -> None:
        super().__init__(context)
        self.connection = Connection(context)
        self.host = self.connection.name

    async def close(self) -> None:
        await self.connection.close()

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        directory = self.context.settings.directory
        spec = msgspec.structs.replace(spec, directory=directory)
        return SSHTerminal(self.context, spec, self.connection)

    async def reach(self, handle: Handle) -> RemoteTerminal | None:
        if handle.place != self.host:
            self.context.log.warning("left on a host that settings no longer name", handle=handle)
            return None
        return SSHTerminal(self.context, TerminalSpec("reaper"), self.connection)


class SSHTerminal(RemoteTerminal):
    """The terminal of one scope on that machine."""

    backend = "ssh"

    def __init__(self, context: PluginContext, spec: TerminalSpec, connection: Connection) -> None:
        super().__init__(context, spec)
        self._connection = connection
        self.place = connection.place

    def where(self) -> str:
        return self._connection.name

    async def connect(self, words: Sequence[str], feed: Callable[[bytes], None]) -> Channel:
        return await self._connection.channel(f"exec {envelope.text(words)}", feed)

    async def hibernate(self) -> None:
        """Close the connection, unless another terminal uses it."""
        await self._connection.rest()

    async def status(self) -> str:
        state = "connected" if self._connection.connected else "not connected"
        return f"ssh {self._connection.name}, {state}"
