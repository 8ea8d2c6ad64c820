"""The plugin, its memory, its tool and its section pass their suites."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from hermes import OWNER, Group, HermesError, Memory, PromptSection, Tool
from hermes.testing import (
    CommandContract,
    MemoryContract,
    PluginContract,
    PromptContract,
    ToolContract,
)
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_memory_files.book import Book
from hermes_plugin_memory_files.changing import Operation, Source, apply
from hermes_plugin_memory_files.commands import memory as memory_command
from hermes_plugin_memory_files.files import MemoryFiles
from hermes_plugin_memory_files.section import Snapshot
from hermes_plugin_memory_files.tool import memory as memory_tool


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-memory-files"


class TestMemory(MemoryContract):
    """A file learns nothing by itself: what a person said is written as the tool writes it."""

    @pytest.fixture
    def memory(self, plugin_context: MakeContext) -> Memory:
        return MemoryFiles(plugin_context("memory-files"))

    @pytest.fixture(autouse=True)
    def _home(self, home: Path) -> None:
        self.home = home

    async def learn(self, memory: Memory, text: str, person: str = "ann") -> None:
        operation = Operation("add", content=text)
        try:
            await asyncio.to_thread(apply, Book(self.home, person), [operation], Source("m"), None)
        except HermesError as error:
            assert "empty" in str(error) or "at most" in str(error)  # noqa: PT017


class TestTool(ToolContract):
    limit = 2600
    examples = {  # noqa: RUF012
        "memory": {"action": "add", "target": "user", "content": "Likes tea"},
    }

    @pytest.fixture
    def tools(self) -> Sequence[Tool]:
        return (memory_tool,)


class TestCommand(CommandContract):
    @pytest.fixture
    def command(self) -> Group:
        return memory_command


class TestSnapshot(PromptContract):
    @pytest.fixture
    def section(self, plugin_context: MakeContext, home: Path) -> PromptSection:
        operations = [
            Operation("add", "user", "Likes tea"),
            Operation(
                "add", content="The server is called rigel", always=True, expires="2999-01-01"
            ),
        ]
        apply(Book(home, OWNER), operations, Source("model", "0197abcd"), None)
        return Snapshot(plugin_context("memory-files"))
