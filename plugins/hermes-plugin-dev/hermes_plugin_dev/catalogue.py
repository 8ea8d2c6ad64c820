"""The catalogue of plugins: written from their packages by ``make docs WRITE=1``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

FILE = Path(__file__).with_name("catalogue.jsonl")


class Entry(msgspec.Struct, frozen=True):
    """A plugin that can be installed by its name."""

    name: str
    distribution: str
    summary: str
    offers: tuple[str, ...] = ()
    """Kind and name of each, as in ``tools todo``."""


def entries() -> list[Entry]:
    return [msgspec.json.decode(line, type=Entry) for line in FILE.read_bytes().splitlines()]


def named(name: str) -> Entry | None:
    """Give the plugin of that name."""
    return next((entry for entry in entries() if entry.name == name), None)


def search(words: Sequence[str]) -> list[Entry]:
    """Give the plugins in whose name, summary or offers every one of *words* is found."""

    def text(entry: Entry) -> str:
        return " ".join((entry.name, entry.summary, *entry.offers)).casefold()

    return [e for e in entries() if all(word.casefold() in text(e) for word in words)]
