"""The shell's tools on a terminal of the kit, called as the gate calls them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import SessionInfo, Terminal, Tool, ToolCall, ToolResult
from hermes.testing import Events, make_call, make_session
from hermes.testing.terminal import FakeTerminal
from hermes_plugin_shell.settings import ShellSettings
from hermes_plugin_shell.shell import Shell

KERNEL = SimpleNamespace(terminal=SimpleNamespace(timeout=20))


class Bench:
    """One conversation with the shell's tools."""

    def __init__(self, context: Any, terminal: FakeTerminal) -> None:
        self.context = context
        self.terminal = terminal
        self.shell = Shell(context)
        self.session: SessionInfo = make_session()
        self.events = Events()

    def call(
        self, name: str, *, index: int = 0, segment: int = 0, batch: Any = None, **arguments: Any
    ) -> ToolCall:
        tools: dict[str, Tool] = {tool.name: tool for tool in self.shell.last_seen()}
        call = make_call(
            tools[name],
            arguments,
            context=self.context,
            session=self.session,
            terminal=self.terminal,
        )
        call.index, call.segment, call.emit = index, segment, self.events
        if batch is not None:
            call.batch = batch
        return call

    async def run(self, command: str, **arguments: Any) -> ToolResult:
        call = self.call("terminal", command=command, **arguments)
        return await call.tool.run(call)

    async def process(self, action: str, id: str = "", **arguments: Any) -> ToolResult:
        call = self.call("process", action=action, session_id=id, **arguments)
        return await call.tool.run(call)

    async def begin(self, command: str, **arguments: Any) -> str:
        """Start *command* in the background and give its id."""
        result = await self.run(command, background=True, **arguments)
        return result.text.removeprefix("Started in the background as ").partition(".")[0]


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    folder = tmp_path / "work"
    folder.mkdir()
    terminal = FakeTerminal(folder)
    yield terminal
    await terminal.close()


@pytest.fixture
async def bench(plugin_context, terminal: FakeTerminal) -> AsyncIterator[Bench]:
    context = plugin_context("shell", settings=ShellSettings(), sections={"hermes": KERNEL})
    bench = Bench(context, terminal)
    yield bench
    await terminal.close()
    await bench.shell.close()
