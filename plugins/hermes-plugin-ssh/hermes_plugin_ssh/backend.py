"""The `ssh` terminal backend: one other machine, over one connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hermes import PluginContext, Terminal, TerminalBackend, TerminalSpec
from hermes_plugin_remote import envelope
from hermes_plugin_remote.channel import Channel
from hermes_plugin_remote.terminal import RemoteTerminal
from hermes_plugin_ssh.connection import Connection


class SSHBackend(TerminalBackend):
    """Runs commands on another machine. Commands there are bounded by their grants alone, but this
    machine's files and Hermes's own are out of their reach.
    """

    isolated = False  # it is a machine of the person's, with what they have there

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def open(self) -> None:
        self._connection = Connection(self._context)

    async def close(self) -> None:
        await self._connection.close()

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        directory = self._context.settings.directory
        spec = TerminalSpec(spec.scope, directory, spec.env)
        return SSHTerminal(self._context, spec, self._connection)


class SSHTerminal(RemoteTerminal):
    """The terminal of one scope on that machine."""

    backend = "ssh"

    def __init__(self, context: PluginContext, spec: TerminalSpec, connection: Connection) -> None:
        super().__init__(context, spec)
        self._connection = connection
        self.place = connection.place

    async def connect(self, words: Sequence[str], feed: Callable[[bytes], None]) -> Channel:
        return await self._connection.channel(f"exec {envelope.text(words)}", feed)
