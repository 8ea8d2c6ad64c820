"""Long-term memory in files: a line for each thing that a person said."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path

from hermes import Memory, PluginContext, Turn, TurnResult

LONGEST = 1_000
"""Characters of a line."""


class FileMemory(Memory):
    """Recalls the lines of the turn's person that share most words with what was asked."""

    def __init__(self, context: PluginContext) -> None:
        self._paths = context.paths
        self._settings = context.settings
        self._writing = asyncio.Lock()

    async def recall(self, turn: Turn) -> str:
        """Has 300 ms: reading one file in a thread is well within."""
        known = await asyncio.to_thread(read, self._file(turn.input.authority.memory))
        asked = words(turn.input.text)
        ranked = sorted(known, key=lambda line: -len(asked & words(line)))
        return "\n".join(line for line in ranked[: self._settings.lines] if asked & words(line))

    async def record(self, turn: Turn, result: TurnResult) -> None:
        said = " ".join(turn.input.text.split())[:LONGEST]
        if result.status != "ok" or not words(said):
            return
        file = self._file(turn.input.authority.memory)
        async with self._writing:
            known = await asyncio.to_thread(read, file)
            kept = [*(line for line in known if line != said), said]
            await asyncio.to_thread(write, file, kept[-self._settings.kept :])

    async def forget(self, person: str, about: str) -> int:
        file = self._file(person)
        async with self._writing:
            known = await asyncio.to_thread(read, file)
            kept = [line for line in known if about.casefold() not in line.casefold()]
            if len(kept) < len(known):
                await asyncio.to_thread(write, file, kept)
        return len(known) - len(kept)

    def _file(self, person: str) -> Path:
        """Each person's own; what a platform calls them need not be safe as a name."""
        return self._paths.data / f"{hashlib.sha256(person.encode()).hexdigest()[:32]}.txt"


def words(text: str) -> set[str]:
    """Give the words of *text* that say something, in lower case."""
    return {word for word in re.findall(r"\w+", text.casefold()) if len(word) > 3}


def read(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines() if file.exists() else []


def write(file: Path, lines: list[str]) -> None:
    """Replace the file in one step: a stop in between loses nothing."""
    new = file.with_suffix(".new")
    new.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    new.replace(file)
