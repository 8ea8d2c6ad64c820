"""A person's memories, a clock to turn, and a conversation's turn to recall them for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes import OWNER, Authority, Message, SessionInfo, Text, Turn
from hermes.testing import make_turn
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_memory_files.book import Book
from hermes_plugin_memory_files.changing import Operation, Source, apply
from hermes_plugin_memory_files.files import MemoryFiles
from hermes_plugin_memory_files.project import project_of
from hermes_plugin_memory_files.settings import Settings

DAY = 86_400_000_000
NOW = 1_764_547_200_000_000  # 2025-12-01


class Clock:
    """Gives the time that the test says."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now

    def pass_days(self, days: float) -> None:
        self.now += int(days * DAY)


class Memories:
    """What a person remembers, and the ways to it."""

    def __init__(self, home: Path, place: Path, context: Any) -> None:
        self.home, self.place = home, place
        self.clock = Clock()
        self.settings = Settings()
        self.memory = MemoryFiles(context, self.clock)

    def book(self, person: str = OWNER) -> Book:
        return Book(self.home, person, self.settings, self.clock)

    def change(self, *operations: Operation, person: str = OWNER, directory: str = "") -> str:
        project = project_of(directory or str(self.place), self.home)
        source = Source("model", "0197abcd-1234-7000", "turn-1", "cli")
        return apply(self.book(person), operations, source, project)

    def add(self, text: str, **fields: Any) -> str:
        """Remember *text*; give its label."""
        person, directory = fields.pop("person", OWNER), fields.pop("directory", "")
        said = self.change(
            Operation("add", content=text, **fields), person=person, directory=directory
        )
        return said[3:8]

    def turn(
        self, text: str, *, prompt: str = "# Memory", person: str = OWNER, **fields: Any
    ) -> Turn:
        """Make a turn of a conversation that has begun, in no project's folder."""
        messages = fields.pop("messages", ())
        session = SessionInfo("s", person=person, directory=fields.pop("directory", ""))
        turn = make_turn(text, session=session, authority=Authority("cli", person), **fields)
        turn.prompt, turn.messages = prompt, messages
        return turn

    async def recall(self, text: str, **fields: Any) -> str:
        return await self.memory.recall(self.turn(text, **fields))


@pytest.fixture
def memories(home: Path, tmp_path: Path, plugin_context: MakeContext) -> Memories:
    place = tmp_path / "orion"
    (place / ".git").mkdir(parents=True)
    return Memories(home, place, plugin_context("memory-files", settings=Settings()))


@pytest.fixture(scope="session")
def message() -> Callable[[str, str], Message]:
    """Give ``message(role, text)``."""

    def made(role: Any, text: str) -> Message:
        return Message(role, (Text(text),))

    return made
