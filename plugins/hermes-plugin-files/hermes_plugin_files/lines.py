"""A window of a file's lines, read in parts: line N of a large file costs no memory."""

from __future__ import annotations

from typing import NamedTuple

from hermes_plugin_files.sources import Source

FIRST_PART = 262_144
LARGEST_PART = 16_777_216
"""Bytes that are read at once: more and more, since another machine may be behind each read."""
LINE = 2_000
"""Characters of one line that are shown."""
WINDOW = 100_000
"""Characters that are shown at once."""


class Window(NamedTuple):
    """Lines *first* … of a file."""

    first: int
    lines: list[str]
    more: bool
    """Others follow."""
    total: int | None
    """How many lines there are, where the end was seen."""


async def window(source: Source, first: int, count: int, cap: int = WINDOW) -> Window:
    """Read up to *count* lines from line *first* on, and at most about *cap* characters of them."""
    scan = _Scan(first, count, cap)
    position, part = 0, FIRST_PART
    while not scan.full:
        data = await source.read(position, part)
        if not data:
            scan.end()
            break
        position += len(data)
        part = min(part * 2, LARGEST_PART)
        scan.feed(data)
    return Window(first, scan.lines, scan.full, None if scan.full else scan.number - 1)


class _Scan:
    """Counts lines up to the window and keeps those in it."""

    def __init__(self, first: int, count: int, cap: int) -> None:
        self.lines: list[str] = []
        self.number = 1
        """Of the line that is being read."""
        self.full = False
        self._first = first
        self._count = count
        self._left = cap
        self._line = bytearray()
        self._length = 0

    def feed(self, data: bytes) -> None:
        breaks = data.count(b"\n")
        if self.number + breaks < self._first:
            self.number += breaks
            self._line.clear()
            last = data.rfind(b"\n")
            self._length = len(data) - last - 1 if last >= 0 else self._length + len(data)
            return
        start = 0
        while (stop := data.find(b"\n", start)) >= 0:
            self._take(data[start:stop])
            self._finish()
            if self.full:
                return
            start = stop + 1
        self._take(data[start:])

    def end(self) -> None:
        """The file is over: a last line without a break counts."""
        if self._length:
            self._finish()

    def _take(self, piece: bytes) -> None:
        self._length += len(piece)
        if self.number >= self._first:
            self._line += piece[: max(0, 4 * LINE - len(self._line))]
            self.full = len(self.lines) >= self._count and self._length > 0

    def _finish(self) -> None:
        if self.number >= self._first:
            if len(self.lines) >= self._count or self._left <= 0:
                self.full = True
                return
            text = self._line.decode("utf-8", "replace").removesuffix("\r")
            if len(text) > LINE:
                text = f"{text[:LINE]}… [the line has {self._length} bytes]"
            self.lines.append(text)
            self._left -= len(text) + 8
        self.number += 1
        self._line.clear()
        self._length = 0
