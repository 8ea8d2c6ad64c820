"""The file tools on a terminal that can `run` and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hermes import HermesError, Terminal, Tool, ToolResult
from hermes.testing import make_call, make_session
from hermes.testing.terminal import FakeTerminal
from hermes_plugin_files.files import Files
from hermes_plugin_files.settings import FilesSettings


class Bench:
    """One conversation with the file tools, in a folder of its own."""

    def __init__(self, context: Any, terminal: FakeTerminal) -> None:
        self.context = context
        self.terminal = terminal
        self.folder = terminal.folder
        self.files = Files(context)
        self.session = make_session()

    def tool(self, name: str) -> Tool:
        return {tool.name: tool for tool in self.files.last_seen()}[name]

    async def run(self, name: str, **arguments: Any) -> ToolResult:
        """Call a tool as the gate does: an error of ours is a result."""
        tool = self.tool(name)
        call = make_call(
            tool,
            arguments,
            context=self.context,
            session=self.session,
            terminal=self.terminal,
        )
        try:
            return await tool.run(call)
        except HermesError as error:
            return ToolResult.error(str(error))

    async def read(self, path: str, **arguments: Any) -> str:
        return (await self.run("read_file", path=path, **arguments)).text

    async def patch(self, patch: str) -> ToolResult:
        return await self.run("patch", mode="patch", patch=patch)

    async def replace(self, path: str, old: str, new: str, **arguments: Any) -> ToolResult:
        return await self.run("patch", path=path, old_string=old, new_string=new, **arguments)

    def put(self, name: str, text: str | bytes) -> Path:
        """Make a file, as somebody else would."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def get(self, name: str) -> str:
        return (self.folder / name).read_bytes().decode()


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    folder = tmp_path / "work"
    folder.mkdir()
    terminal = FakeTerminal(folder)
    yield terminal
    await terminal.close()


@pytest.fixture
def bench(plugin_context, terminal: FakeTerminal) -> Bench:
    return Bench(plugin_context("files", settings=FilesSettings()), terminal)
