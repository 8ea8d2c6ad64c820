"""The `command` terminal: bash at the end of any program that leads there by its pipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hermes import PluginContext, Terminal, TerminalError, TerminalSpec
from hermes_plugin_remote.backend import RemoteBackend
from hermes_plugin_remote.channel import Channel
from hermes_plugin_remote.handles import Handle
from hermes_plugin_remote.pipes import PipeChannel
from hermes_plugin_remote.terminal import RemoteTerminal


class CommandBackend(RemoteBackend):
    """Runs commands through ``remote.command``."""

    def __init__(self, context: PluginContext) -> None:
        super().__init__(context)
        self.host = " ".join(context.settings.command)
        self.isolated = context.settings.isolated

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        if not self.host:
            raise TerminalError(
                "command: no program to run through; set remote.command, as in"
                " [kubectl, exec, -i, my-pod, --]"
            )
        directory = self.context.settings.directory
        return CommandTerminal(self.context, msgspec.structs.replace(spec, directory=directory))

    async def reach(self, handle: Handle) -> RemoteTerminal | None:
        return CommandTerminal(self.context, TerminalSpec("reaper")) if self.host else None


class CommandTerminal(RemoteTerminal):
    """The terminal of one scope at the end of a program."""

    backend = "command"

    def __init__(self, context: PluginContext, spec: TerminalSpec) -> None:
        super().__init__(context, spec)
        self.place = context.settings.command[0].rpartition("/")[2]

    async def connect(self, words: Sequence[str], feed: Callable[[bytes], None]) -> Channel:
        prefix = self.context.settings.command
        env = self.context.children.allowlist()
        return await PipeChannel.spawn([*prefix, *words], env, feed, self.place)
