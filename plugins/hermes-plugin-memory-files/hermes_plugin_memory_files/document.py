"""The format of MEMORY.md: entries with a line ``§`` between them, as in Hermes Agent.

A change touches only the entry that it is about: whatever else a person wrote, and however they
laid it out, stays to the byte.
"""

from __future__ import annotations

import hashlib
import re

SEPARATOR = "\n§\n"
_BETWEEN = re.compile(r"^[ \t]*§[ \t]*$\n?", re.MULTILINE)
LABEL = 5
"""Characters of an entry's label."""


def spans(text: str) -> list[tuple[int, int]]:
    """Give where each entry begins and ends, without the space around it."""
    found, place = [], 0
    for match in [*_BETWEEN.finditer(text), None]:
        end = match.start() if match else len(text)
        piece = text[place:end]
        if piece.strip():
            begin = place + len(piece) - len(piece.lstrip())
            found.append((begin, begin + len(piece.strip())))
        place = match.end() if match else end
    return found


def entries(text: str) -> list[str]:
    """Give the entries, in order."""
    return [text[begin:end] for begin, end in spans(text)]


def added(text: str, content: str) -> str:
    """Add an entry at the end."""
    return f"{text.rstrip()}{SEPARATOR}{content}\n" if text.strip() else f"{content}\n"


def replaced(text: str, number: int, content: str) -> str:
    """Put *content* in the place of an entry."""
    begin, end = spans(text)[number]
    return text[:begin] + content + text[end:]


def removed(text: str, number: int) -> str:
    """Take an entry out, and the separator that it no longer needs."""
    found = spans(text)
    if len(found) == 1:
        return ""
    begin, end = found[number]
    if number + 1 < len(found):
        return text[:begin] + text[found[number + 1][0] :]
    return text[: found[number - 1][1]] + text[end:]


def size(text: str) -> int:
    """Count the characters that a limit counts: the entries, and a separator between them."""
    return len(SEPARATOR.join(entries(text)))


def label(content: str) -> str:
    """Give the label of an entry: the same for the same text, whoever reads it."""
    digest = hashlib.sha256(" ".join(content.split()).encode()).digest()
    number, letters = int.from_bytes(digest[:8], "big"), ""
    for _ in range(LABEL):
        number, place = divmod(number, 32)
        letters += "abcdefghijkmnpqrstuvwxyz23456789"[place]
    return letters
