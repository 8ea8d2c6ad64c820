"""Measure the journal of hermes-plugin-sqlite: append, search, open, size, memory.

    python bench/bench_journal.py --quick
    python bench/bench_journal.py 100000 1000000

Records of about 300 characters, words by Zipf's law. Queries: 50 common words, 50 middling, 50
rare, 50 pairs. The disk is the one of --folder; a commit waits for it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hermes import Answer, Append, Record, Text, UserSaid
from hermes_plugin_sqlite import database
from hermes_plugin_sqlite.store import FILE, SQLiteStore

VOCABULARY = 50_000
LENGTH = 300
GROUP = 500
SESSIONS = 1000


class Words:
    """Made-up words, the n-th said 1/n as often as the first."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        found: dict[str, None] = {}
        while len(found) < VOCABULARY:
            syllables = self._random.choice((1, 2, 2, 3, 3, 4))
            word = "".join(
                self._random.choice("bcdfghklmnprstvz") + self._random.choice("aeiou")
                for _ in range(syllables)
            )
            found[word + self._random.choice(("", "", "n", "s", "r"))] = None
        self.words = list(found)
        self._weights = list(itertools.accumulate(1 / n for n in range(1, VOCABULARY + 1)))

    def text(self) -> str:
        chosen = self._random.choices(self.words, cum_weights=self._weights, k=LENGTH // 3)
        text = " ".join(chosen)
        return text[: text.rindex(" ", 0, LENGTH + 3)]

    def queries(self, total: int) -> dict[str, list[str]]:
        """Rare words are said about 40 times in all, whatever the total."""
        rare = min(VOCABULARY - 50, int(total * 50 / 11.4 / 40))
        middling = int((50 * rare) ** 0.5)
        return {
            "common": self.words[:50],
            "middling": self.words[middling : middling + 50],
            "rare": self.words[rare : rare + 50],
            "two words": [
                " ".join(self.words[self._random.randrange(below)] for below in (100, 2000))
                for _ in range(50)
            ],
        }


def record(number: int, text: str) -> Record:
    """Questions and answers in turn, as a conversation has them."""
    turn = f"01990000-0000-7000-8000-{number // 2:012d}"
    if number % 2:
        return Record(turn, Answer(parts=(Text(text),), model="openai:gpt-5-mini"))
    return Record(turn, UserSaid(text=text, source="cli"))


def in_groups(texts: list[str], first: int) -> Iterator[list[Append]]:
    """Spread a group of records over conversations, a few next to each other in each."""
    for start in range(0, len(texts), GROUP):
        group = texts[start : start + GROUP]
        yield [
            Append(
                f"s{(first + start + k) // 10 % SESSIONS:06d}",
                tuple(
                    record(first + start + n, group[n]) for n in range(k, min(k + 10, len(group)))
                ),
            )
            for k in range(0, len(group), 10)
        ]


class Table:
    """Lines of what was measured, printed as they come."""

    def __init__(self) -> None:
        print(f"{'measure':<46}{'figure':>14}  {'promise':>12}")

    def line(self, what: str, figure: str, promise: str = "") -> None:
        print(f"{what:<46}{figure:>14}  {promise:>12}", flush=True)


def make_store(home: Path) -> SQLiteStore:
    context: Any = SimpleNamespace(
        paths=SimpleNamespace(home=home), log=SimpleNamespace(warning=print)
    )
    return SQLiteStore(context)


async def load(store: SQLiteStore, words: Words, total: int, table: Table) -> int:
    """Append *total* records by commits of up to 500; give the length of their text."""
    length, spent, rates = 0, 0.0, []
    for first in range(0, total, 10_000):
        texts = [words.text() for _ in range(min(10_000, total - first))]
        length += sum(map(len, texts))
        groups = list(in_groups(texts, first))
        began = time.perf_counter()
        for group in groups:
            await store.commit(group)
        elapsed = time.perf_counter() - began
        spent += elapsed
        rates.append(len(texts) / elapsed)
    table.line("append, 500 a commit, records/s", f"{total / spent:,.0f}", ">= 5,000")
    table.line("  slowest 10,000 of them, records/s", f"{min(rates):,.0f}")
    return length


async def singles(store: SQLiteStore, words: Words, table: Table) -> None:
    """Append one record a commit: many at once, and one after another."""
    texts = [words.text() for _ in range(5000)]
    before, began = (await store.stats()).commits, time.perf_counter()
    await asyncio.gather(
        *(
            store.commit([Append(f"s{n % SESSIONS:06d}", (record(n, text),))])
            for n, text in enumerate(texts)
        )
    )
    elapsed = time.perf_counter() - began
    commits = (await store.stats()).commits - before
    table.line("append, 5,000 commits of one at once, rec/s", f"{5000 / elapsed:,.0f}", ">= 5,000")
    table.line("  transactions for them", str(commits))
    times = []
    for n in range(300):
        text, began = words.text(), time.perf_counter()
        await store.commit([Append("alone", (record(n, text),))])
        times.append(time.perf_counter() - began)
    table.line("one commit after another, median / p95 ms", both(times))


async def opens(store: SQLiteStore, words: Words, table: Table) -> None:
    """Read 10,000 records of one conversation: written in one go, and among 9 others."""
    groups = [[words.text() for _ in range(GROUP)] for _ in range(20)]
    for n, texts in enumerate(groups):
        records = tuple(record(n * GROUP + k, text) for k, text in enumerate(texts))
        await store.commit([Append("long", records)])
    for n in range(1000):
        text = words.text()
        await store.commit(
            [Append(f"mixed{k}", tuple(record(n, text) for _ in range(10))) for k in range(10)]
        )
    for session, name in (("long", "written in a row"), ("mixed3", "among 9 others")):
        times = []
        for _ in range(7):
            began = time.perf_counter()
            records_read = await store.records(session)
            times.append(time.perf_counter() - began)
        assert len(records_read) == 10_000
        table.line(f"open 10,000 records {name}, median / max ms", both(times, worst=True), "<= 50")


async def searches(store: SQLiteStore, words: Words, total: int, table: Table) -> None:
    """Ask each query three times, interleaved, and take its median."""
    everything = []
    for kind, queries in words.queries(total).items():
        times, hits = [], []
        for query in queries:
            three = []
            for _ in range(3):
                began = time.perf_counter()
                found = await store.search(query)
                three.append(time.perf_counter() - began)
            times.append(statistics.median(three))
            hits.append(len(found))
        everything += times
        shown = f"search, {kind} ({statistics.median(hits):.0f} hits shown), median / p95 ms"
        table.line(shown, both(times))
    table.line("search, all 200, median / p95 ms", both(everything), "p95 <= 20")
    table.line("  slowest, ms", f"{max(everything) * 1000:.1f}")


def both(times: list[float], worst: bool = False) -> str:
    ordered = sorted(times)
    high = ordered[-1] if worst else ordered[int(len(ordered) * 0.95)]
    return f"{statistics.median(ordered) * 1000:.1f} / {high * 1000:.1f}"


async def measure(total: int, folder: Path | None) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        home, words, store = Path(name), Words(total), make_store(Path(name))
        await store.open()
        stats = await store.stats()
        print(f"\n{total:,} records, {stats.library}, Python {sys.version.split()[0]}")
        table = Table()
        length = await load(store, words, total, table)
        table.line("size / text, while open", f"{database.size(home / FILE) / length:.2f}", "<= 3")
        await searches(store, words, total, table)
        await store.close()
        table.line("size / text, closed", f"{database.size(home / FILE) / length:.2f}", "<= 3")
        began = time.perf_counter()
        await store.open()
        table.line("open the file, ms", f"{(time.perf_counter() - began) * 1000:.1f}")
        await singles(store, words, table)
        await opens(store, words, table)
        began = time.perf_counter()
        blanked = await store.erase(["s000007"], "measured")
        table.line(f"forget {blanked:,} records, s", f"{time.perf_counter() - began:.2f}")
        began = time.perf_counter()
        assert await store.check() == []
        table.line("check the whole file, s", f"{time.perf_counter() - began:.2f}")
        table.line("size of the file, MB", f"{database.size(home / FILE) / 1e6:.0f}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        table.line("peak memory of this process, MB", f"{peak:.0f}")
        await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("records", nargs="*", type=int, help="default: 100000 1000000")
    parser.add_argument("--quick", action="store_true", help="20,000 records only")
    parser.add_argument("--folder", type=Path, help="where to write (default: the temporary one)")
    given = parser.parse_args()
    for total in [20_000] if given.quick else given.records or [100_000, 1_000_000]:
        asyncio.run(measure(total, given.folder))


if __name__ == "__main__":
    main()
