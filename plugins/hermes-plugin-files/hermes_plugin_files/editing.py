"""Edits of one or more files: worked out first, written after, all of them or none."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from hermes import FileInfo, Terminal, TerminalError
from hermes_plugin_files.documents import LARGEST, Document, NotTextError
from hermes_plugin_files.replace import replace
from hermes_plugin_files.sources import regular_file
from hermes_plugin_files.v4a import FileChange, PatchError, apply

Real = Callable[[str], Awaitable[str]]
"""Gives the real path of a path, or raises where it is out of bounds."""


class Edit(msgspec.Struct):
    """What one file is to become."""

    path: str
    """As the model named it."""
    real: str
    info: FileInfo | None
    """What is there; None for a new file."""
    original: bytes
    before: str | None
    after: str | None
    """None where it is deleted."""
    data: bytes = b""
    note: str = ""


async def replacement(
    terminal: Terminal, real: str, path: str, old: str, new: str, *, everywhere: bool
) -> Edit:
    """Work out the replacement of a text in one file."""
    info, data = await _content(terminal, real, path)
    document = Document.of(data, path)
    old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    done = replace(document.text, old, new, everywhere=everywhere)
    times = f"{done.places} places" if done.places > 1 else ""
    how = "" if done.way == "exact" else f"not to the letter ({done.way})"
    note = ", ".join(part for part in (times, how) if part)
    return Edit(
        path,
        real,
        info,
        data,
        document.text,
        done.text,
        document.bytes(done.text),
        f"Matched {note}." if note else "",
    )


async def edits_of(terminal: Terminal, changes: Sequence[FileChange], real: Real) -> list[Edit]:
    """Work out a whole patch. Raise `PatchError` where it does not fit; nothing is written yet."""
    edits: dict[str, Edit] = {}
    for change in changes:
        where = await real(change.path)
        edit = edits.pop(where, None) or await _begun(terminal, change, where)
        if change.kind == "add":
            if edit.after is not None:
                raise PatchError(f"{change.path} is there already; use *** Update File")
            edit.after, edit.data = change.content, change.content.encode("utf-8", "replace")
        elif edit.after is None:
            raise PatchError(f"{change.path} is not there any more")
        elif change.kind == "delete":
            edit.after = None
        else:
            edit.after = apply(edit.after, change)
            edit.data = Document.of(edit.original, change.path).bytes(edit.after)
        edits[where] = edit
        if change.move_to:
            await _move(terminal, edits, edit, change.move_to, await real(change.move_to))
    return list(edits.values())


async def apply_edits(terminal: Terminal, edits: Sequence[Edit]) -> None:
    """Write them. When one fails, what was written before it is put back, and the error raised."""
    done: list[Edit] = []
    try:
        for edit in edits:
            done.append(edit)
            if edit.after is not None:
                await terminal.write(edit.real, edit.data)
            elif edit.info is not None:
                await _remove(terminal, edit.real)
    except TerminalError as error:
        problems = [await _put_back(terminal, edit) for edit in reversed(done)]
        left = [problem for problem in problems if problem]
        said = f"Nothing was changed: {error}" if not left else f"{error}. {'; '.join(left)}"
        raise TerminalError(said) from None


async def _begun(terminal: Terminal, change: FileChange, where: str) -> Edit:
    if change.kind == "add":
        try:
            info = await terminal.stat(where)
        except TerminalError:
            return Edit(change.path, where, None, b"", None, None)
        return Edit(change.path, where, info, b"", "", "")
    info, data = await _content(terminal, where, change.path)
    if change.kind == "delete":
        text = data.decode("utf-8", "replace")
    else:
        text = Document.of(data, change.path).text
    return Edit(change.path, where, info, data, text, text, data)


async def _move(
    terminal: Terminal, edits: dict[str, Edit], edit: Edit, path: str, where: str
) -> None:
    """Make of *edit* a new file at *where* and a deletion of the old one."""
    taken = edits[where].after is not None if where in edits else await _is_there(terminal, where)
    if taken:
        raise PatchError(f"cannot move {edit.path}: {path} is there already")
    moved = Edit(path, where, None, b"", edit.before, edit.after, edit.data)
    moved.note = f"Moved {edit.path} to {path}."
    edit.after = None
    edits[where] = moved


async def _is_there(terminal: Terminal, where: str) -> bool:
    try:
        await terminal.stat(where)
    except TerminalError:
        return False
    return True


async def _content(terminal: Terminal, real: str, path: str) -> tuple[FileInfo, bytes]:
    info = await regular_file(terminal, real, path)
    if info.size > LARGEST:
        raise NotTextError(f"{path} has {info.size} bytes, too many to be edited")
    return info, await terminal.read(real)


async def _remove(terminal: Terminal, real: str) -> None:
    result = await terminal.run(f"cd / && rm -f -- {shlex.quote(real)}", timeout=60)
    if result.exit_code != 0:
        raise TerminalError(result.output.decode("utf-8", "replace").strip())


async def _put_back(terminal: Terminal, edit: Edit) -> str:
    """Undo *edit*; say what could not be undone."""
    try:
        if edit.info is not None:
            await terminal.write(edit.real, edit.original)
        elif edit.after is not None:
            await _remove(terminal, edit.real)
    except TerminalError as error:
        return f"{edit.path} could not be put back ({error})"
    return ""
