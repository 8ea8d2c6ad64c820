"""Read a file that anybody may have written, so that the same file always gives the same text."""

from __future__ import annotations

import codecs
import stat
from pathlib import Path

from hermes import clean

LARGEST = 4_000_000
"""Bytes of a file that are looked at."""
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""What a file may begin with to say its encoding; UTF-32's mark begins as UTF-16's, so is first."""


def read_text(path: Path) -> str | None:
    """Give the text of *path*, newlines as ``\\n``, without space around it.

    None for what is no regular file, cannot be read, or is not text. UTF-8, whatever a byte order
    mark says, else Windows-1252, which old editors write.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would make us wait for ever
            return None
        with path.open("rb") as file:
            data = file.read(LARGEST)
    except (OSError, ValueError):
        return None
    text = _decoded(data)
    if text is None:
        return None
    return clean(text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _decoded(data: bytes) -> str | None:
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    if b"\0" in data[:8192]:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if len(data) == LARGEST and error.start > LARGEST - 4:  # cut within a character
            return data[: error.start].decode()
        return data.decode("cp1252", "replace")


def without_front_matter(text: str) -> str:
    """Leave off a YAML block at the top (``---`` … ``---``), which speaks to programs."""
    lines = text.split("\n")
    if lines[0].strip() != "---":
        return text
    for number, line in enumerate(lines[1:], 1):
        if line.strip() == "---":
            return "\n".join(lines[number + 1 :]).strip()
    return text


def cut(text: str, limit: int, name: str) -> str:
    """Keep the first 70 % and the last 20 % of what is longer than *limit*, and say so between."""
    if len(text) <= limit:
        return text
    head, tail = text[: limit * 7 // 10].rstrip(), text[len(text) - limit * 2 // 10 :].lstrip()
    gone = len(text) - len(head) - len(tail)
    between = f"[… {gone} characters of {name} left out here; read the file for them …]"
    return f"{head}\n\n{between}\n\n{tail}"
