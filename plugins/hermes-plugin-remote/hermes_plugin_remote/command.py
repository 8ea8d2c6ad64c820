"""The `command` terminal: bash at the end of any program that leads there by its pipes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hermes import PluginContext, Terminal, TerminalBackend, TerminalError, TerminalSpec
from hermes_plugin_remote.channel import Channel
from hermes_plugin_remote.pipes import PipeChannel
from hermes_plugin_remote.terminal import RemoteTerminal


class CommandBackend(TerminalBackend):
    """Runs commands through ``remote.command``."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self.isolated = context.settings.isolated

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        if not self._context.settings.command:
            raise TerminalError(
                "command: no program to run through; set remote.command, as in"
                " [kubectl, exec, -i, my-pod, --]"
            )
        directory = self._context.settings.directory
        return CommandTerminal(self._context, TerminalSpec(spec.scope, directory, spec.env))


class CommandTerminal(RemoteTerminal):
    """The terminal of one scope at the end of a program."""

    backend = "command"

    def __init__(self, context: PluginContext, spec: TerminalSpec) -> None:
        super().__init__(context, spec)
        self.place = context.settings.command[0].rpartition("/")[2]

    async def connect(self, words: Sequence[str], feed: Callable[[bytes], None]) -> Channel:
        prefix = self._context.settings.command
        env = self._context.children.allowlist()
        return await PipeChannel.spawn([*prefix, *words], env, feed, self.place)
