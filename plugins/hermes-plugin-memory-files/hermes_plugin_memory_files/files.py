"""The `Memory` over a person's files: what a message is about, and what was set right since."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeAlias

from hermes import Memory, Message, PluginContext, Text, Turn, TurnResult
from hermes_plugin_memory_files import wording
from hermes_plugin_memory_files.book import Book, Entry
from hermes_plugin_memory_files.project import project_of
from hermes_plugin_memory_files.ranking import Ranking
from hermes_plugin_memory_files.settings import read
from hermes_plugin_memory_files.sidecar import Sidecar

Stamp: TypeAlias = tuple[tuple[str, int, int], ...]
PEOPLE = 16
"""Whose files are kept ready to be searched."""
CORRECTIONS = 10
"""Corrections beside one message; the next message has the others."""


class MemoryFiles(Memory):
    """Recalls entries of MEMORY.md, USER.md and projects' files. What is learnt is written by the
    tool and the command, never by itself.
    """

    def __init__(
        self,
        context: PluginContext,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.settings = read(context.settings, context.config)
        self._home = context.paths.home
        self._log = context.log
        self._clock = clock
        self._keeping = threading.Lock()
        self._kept: dict[str, tuple[Stamp, int, list[Entry], Sidecar, Ranking]] = {}

    def book(self, person: str) -> Book:
        return Book(self._home, person, self.settings, self._clock)

    async def recall(self, turn: Turn) -> str:
        return await asyncio.to_thread(self._recall, turn)

    def _recall(self, turn: Turn) -> str:
        entries, known, ranking = self._read(turn.input.authority.memory)
        tells, takes = wording.told("\n".join([turn.prompt, *_texts(turn.messages)]))
        if not turn.prompt:  # the first turn: the prompt is rendered from the same files after this
            project = project_of(turn.input.session.directory, self._home)
            tells |= {entry.label for entry in wording.chosen(entries, project)}
        lines = _corrections(entries, known, tells, takes)
        best = ranking.best(turn.input.text, _said_before(turn.messages))
        news = [e for e in best if e.label not in tells and not _has(lines, e.label)]
        lines += map(wording.line, news[: self.settings.recall_entries])
        kept = _within(lines, self.settings.recall_char_limit)
        return "\n".join([wording.BESIDE, *kept]) if kept else ""

    def _read(self, person: str) -> tuple[list[Entry], Sidecar, Ranking]:
        """Read a person's files, again only when one changed or something in them has expired."""
        book = self.book(person)
        stamp, now = book.stamp(), self._clock()
        with self._keeping:
            kept = self._kept.pop(person, None)
        if kept is None or kept[0] != stamp or now >= kept[1]:
            entries = book.entries()
            ends = [entry.facts.expires for entry in entries if entry.facts.expires]
            kept = (stamp, min(ends, default=sys.maxsize), entries, book.known(), Ranking(entries))
        with self._keeping:
            self._kept[person] = kept  # most recently used is last
            while len(self._kept) > PEOPLE:
                del self._kept[next(iter(self._kept))]
        return kept[2:]

    def learns(self, turn: Turn, result: TurnResult) -> bool:
        """Only of what stood beside the message or is cited: else there is nothing to count."""
        texts = turn.input.context, result.reply
        return any(wording.told(text)[0] for text in texts)

    async def record(self, turn: Turn, result: TurnResult) -> None:
        """Count what stood beside the message and what the answer cites."""
        recalled, _ = wording.told(turn.input.context)
        cited, _ = wording.told(result.reply)
        if recalled or cited:
            book = self.book(turn.input.authority.memory)
            await asyncio.to_thread(book.note_use, recalled, cited)

    async def forget(self, person: str, about: str) -> int:
        return await asyncio.to_thread(lambda: len(self.book(person).forget(about)))


def _corrections(
    entries: Iterable[Entry], known: Sidecar, tells: set[str], takes: set[str]
) -> list[str]:
    """Set right what the model was told and no longer holds, each once."""
    current = {entry.label: entry for entry in entries}
    lines: list[str] = []
    for label in sorted(tells - takes - current.keys()):
        entry = current.get(known.now_instead(label))
        if entry is None:
            lines.append(f"[-m:{label}] no longer holds.")
        elif entry.label in tells:
            lines.append(f"[-m:{label}] no longer holds; [m:{entry.label}] does.")
        else:
            lines.append(f"[-m:{label}] no longer holds; instead: {wording.line(entry)}")
    return lines[:CORRECTIONS]


def _has(lines: list[str], label: str) -> bool:
    return any(f"[m:{label}]" in line for line in lines)


def _within(lines: list[str], limit: int) -> list[str]:
    """Keep lines from the first on, as many as *limit* characters hold."""
    kept, room = [], limit
    for line in lines:
        if len(line) > room:
            continue
        kept.append(line)
        room -= len(line) + 1
    return kept


def _texts(messages: Iterable[Message]) -> Iterable[str]:
    for message in messages:
        for part in message.parts:
            text = getattr(part, "text", "")
            if text:
                yield text


def _said_before(messages: tuple[Message, ...]) -> str:
    """Give what the person said last before this, without what stood beside it."""
    for message in reversed(messages):
        if message.role == "user" and message.parts:
            first = message.parts[0]
            return first.text if isinstance(first, Text) else ""
    return ""
