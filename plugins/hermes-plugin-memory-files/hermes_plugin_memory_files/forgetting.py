"""Forgetting a text: in memories, in the journal, and in the files that Hermes writes by itself.

What a person wrote by hand (SOUL.md, skills, settings) and what other programs keep is not touched;
where the text is still found there, it is said.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from hermes import mentions
from hermes_plugin_memory_files.book import Book

if TYPE_CHECKING:
    from hermes.runtime import Runtime

BY_ITSELF = ("outputs", "logs", "history")
"""Files and folders of the home that hold lines of text which nobody wrote there by hand."""
LARGEST = 100_000_000
"""Bytes of a file that is looked through."""


class Forgotten(msgspec.Struct, frozen=True):
    """What went, and what did not."""

    memories: int
    conversations: tuple[str, ...]
    files: int
    left: tuple[str, ...]
    """Files of the home that still hold it."""


async def find(runtime: Runtime, book: Book, about: str, person: str | None) -> str:
    """Say how much there is of it, before anything goes."""
    entries = await asyncio.to_thread(book.entries, expired=True)
    count = sum(mentions(entry.text, about) for entry in entries)
    hits = 0
    try:
        words = '"' + about.replace('"', " ") + '"'
        roles = ("user", "assistant", "tool")
        hits = len(await runtime.store.search(words, person=person, roles=roles, limit=1000))
    except NotImplementedError:
        pass
    many = "or more " if hits == 1000 else ""
    return f"{about!r} is in {count} memories and {hits} {many}records of conversations."


async def forget(
    runtime: Runtime, book: Book, about: str, person: str | None, *, files: bool
) -> Forgotten:
    """Forget *about* of *person* (None: of everybody). *files*: also in what Hermes wrote by
    itself, and say where it still is. That is for an owner: those files are everybody's, and what
    is told of them tells what is in them.

    Raises Conflict, before anything went, where a conversation that mentions it is being answered.
    """
    conversations = await runtime.store.erase_text(about, "asked to", person=person)
    for id in conversations:
        runtime.forgotten(id)
    people = [person] if person is not None else book.people()
    gone = 0
    for memory in await runtime.memories():
        for each in people:
            gone += await memory.forget(each, about)
    if not files:
        return Forgotten(gone, tuple(conversations), 0, ())
    home = book.home
    changed = await asyncio.to_thread(_forget_files, home, about)
    left = await asyncio.to_thread(lambda: tuple(_left(home, about)))
    return Forgotten(gone, tuple(conversations), changed, left)


def _forget_files(home: Path, about: str) -> int:
    """Take the lines that mention it out of what Hermes writes by itself; count the files."""
    count = 0
    for name in BY_ITSELF:
        top = home / name
        for file in [top] if top.is_file() else _files(top):
            text = _text(file)
            if text is not None and mentions(text, about):
                _rewrite(file, _without(text, about))
                count += 1
    return count


def _without(text: str, about: str) -> str:
    kept = [line for line in text.splitlines(keepends=True) if not mentions(_line(line), about)]
    left = "".join(kept)
    return "" if mentions(left, about) else left  # it stood over several lines: all goes


def _line(line: str) -> object:
    """A line of JSON is looked into, where it may be written in another way."""
    return line.encode() if line[:1] in '{["' else line


def _rewrite(file: Path, text: str) -> None:
    """In place: whoever appends to it goes on, and no second copy is left on the disk."""
    data = text.encode("utf-8", "surrogateescape")
    with file.open("r+b") as stream:
        before = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        stream.write(data + b"\0" * max(0, before - len(data)))
        stream.flush()
        os.fsync(stream.fileno())
        stream.truncate(len(data))


def _left(home: Path, about: str) -> Iterator[str]:
    """Name the files of the home that still hold it, the journal's own aside."""
    for file in _files(home):
        text = _text(file)
        if text is not None and (mentions(text, about) or _escaped(text, about)):
            yield str(file.relative_to(home))


def _escaped(text: str, about: str) -> bool:
    return "\\u" in text and any(mentions(_line(line), about) for line in text.splitlines())


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path


def _text(file: Path) -> str | None:
    """Give what is in a file; None for what is too large. Bytes that are no text stay apart."""
    try:
        if file.stat().st_size > LARGEST:
            return None
        return file.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return None
