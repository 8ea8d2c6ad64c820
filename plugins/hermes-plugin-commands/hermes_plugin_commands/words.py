"""How ages, sizes and lists are written."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterable, Sequence

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def age(then: int, now: float | None = None) -> str:
    """Say how long ago *then* was (UTC microseconds)."""
    seconds = max(0, int((time.time() if now is None else now) - then / 1e6))
    for length, unit in UNITS:
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return "now"


def size(count: int) -> str:
    """Say how much *count* bytes are."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError


def count(number: int, one: str, several: str = "") -> str:
    """Say *number* of something."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def line(text: str, limit: int = 60) -> str:
    """Make one line of *text*, of at most *limit* characters, without control characters."""
    kept = (each if unicodedata.category(each) not in ("Cc", "Cf") else " " for each in text)
    text = " ".join("".join(kept).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Put *rows* into columns; the last one is as wide as it is."""
    listed = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in listed
    ]


def short(id: str) -> str:
    """Give the beginning of a conversation's id: the millisecond in which it was made."""
    return id[:13]
