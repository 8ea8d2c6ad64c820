"""Patches of several files in the V4A form: all of it or nothing.

    *** Begin Patch
    *** Update File: src/a.py
    @@ def f():
     context
    -old
    +new
    *** Add File: src/b.py
    +content
    *** Delete File: src/c.py
    *** Move File: src/d.py -> src/e.py
    *** End Patch

``*** Move to: PATH`` after an Update renames, too; ``*** End of File`` after a hunk says where its
lines are. What a hunk leaves stays as it is in the file, even where the patch quotes it with other
blanks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from hermes import HermesError

Kind = Literal["update", "add", "delete"]
_KINDS: dict[str, Kind] = {
    "*** Update File: ": "update",
    "*** Add File: ": "add",
    "*** Delete File: ": "delete",
}
_MOVE = "*** Move File: "
_MOVE_TO = "*** Move to: "
_END_OF_FILE = "*** End of File"


class PatchError(HermesError):
    """The patch is malformed, or does not fit: says where."""


class Hunk(msgspec.Struct):
    """One change: lines with their sign (blank, ``-``, ``+``), and how to find them."""

    headers: list[str] = []
    """Lines before it, from outside to inside (``@@ class A``, ``@@ def f``)."""
    lines: list[str] = []
    at_end: bool = False


class FileChange(msgspec.Struct):
    """What happens to one file."""

    kind: Kind
    path: str
    move_to: str = ""
    hunks: list[Hunk] = []
    content: str = ""
    """Of an added file."""


def paths(patch: str) -> tuple[str, ...]:
    """Name every file that *patch* touches; none for one that cannot be read."""
    try:
        changes = parse(patch)
    except PatchError:
        return ()
    return tuple(path for change in changes for path in (change.path, change.move_to) if path)


def parse(patch: str) -> list[FileChange]:
    """Read a patch. Raise `PatchError` with the number of the line that is wrong."""
    changes: list[FileChange] = []
    for number, line in enumerate(patch.strip("\n").replace("\r\n", "\n").split("\n"), 1):
        if line.strip() in ("*** Begin Patch", "*** End Patch"):
            continue
        if (change := _begins(line)) is not None:
            changes.append(change)
        elif not changes:
            if line.strip():
                raise PatchError(f"patch line {number}: expected *** Update File: PATH or the like")
        elif problem := _continues(changes[-1], line):
            raise PatchError(f"patch line {number}: {problem}: {line[:80]!r}")
    for change in changes:
        change.hunks = [hunk for hunk in change.hunks if _trimmed(hunk).lines]
        if change.kind == "update" and not change.hunks and not change.move_to:
            raise PatchError(f"{change.path}: the update has no lines")
    if not changes:
        raise PatchError("the patch has no *** Update File, Add File, Delete File or Move File")
    return changes


def apply(text: str, change: FileChange) -> str:
    """Give *text* after the hunks of *change*. Raise `PatchError` for one that does not fit."""
    lines = text.split("\n")
    ends = lines[-1] == ""
    if ends:
        lines.pop()
    done = 0
    for number, hunk in enumerate(change.hunks, 1):
        try:
            done = _apply(lines, hunk, done)
        except PatchError as error:
            raise PatchError(f"{change.path}: hunk {number}: {error}") from None
    return "\n".join([*lines, ""] if ends and lines else lines)


def _begins(line: str) -> FileChange | None:
    for start, kind in _KINDS.items():
        if line.startswith(start):
            return FileChange(kind, line.removeprefix(start).strip())
    if line.startswith(_MOVE):
        before, _, after = line.removeprefix(_MOVE).partition(" -> ")
        if before.strip() and after.strip():
            return FileChange("update", before.strip(), after.strip())
    return None


def _continues(change: FileChange, line: str) -> str:
    """Add *line* to *change*; say what is wrong with it, if anything."""
    if change.kind == "delete":
        return "" if not line.strip() else "a deleted file has no lines"
    if change.kind == "add":
        if not line.startswith("+"):
            return "" if not line.strip() else "lines of an added file begin with +"
        change.content += f"{line[1:]}\n"
        return ""
    if line.startswith(_MOVE_TO):
        change.move_to = line.removeprefix(_MOVE_TO).strip()
        return ""
    if line.startswith("@@"):
        return _header(change, line)
    if not change.hunks:
        change.hunks.append(Hunk())
    hunk = change.hunks[-1]
    if line.startswith(_END_OF_FILE):
        hunk.at_end = True
    elif line[:1] in (" ", "-", "+"):
        hunk.lines.append(line)
    elif not line:
        hunk.lines.append("")  # a blank line of context, or the space before the next file
    else:
        return "expected a line that begins with a blank, - or +"
    return ""


def _header(change: FileChange, line: str) -> str:
    """``@@`` begins a hunk; several in a row narrow its place down."""
    if not change.hunks or change.hunks[-1].lines:
        change.hunks.append(Hunk())
    if header := line.strip("@ "):
        change.hunks[-1].headers.append(header)
    return ""


def _trimmed(hunk: Hunk) -> Hunk:
    """Drop lines at the end that are empty altogether: the space before the next file."""
    while hunk.lines and not hunk.lines[-1]:
        hunk.lines.pop()
    return hunk


def _apply(lines: list[str], hunk: Hunk, done: int) -> int:
    """Change *lines* in place, from line *done* on; give where the next hunk may begin."""
    start = done
    for header in hunk.headers:
        start = _after_header(lines, header, start)
    old = [line[1:] for line in hunk.lines if line[:1] != "+"]
    end = start if hunk.headers else len(lines)
    place = _place(lines, old, start, hunk) if old else end
    there = iter(lines[place : place + len(old)])
    put: list[str] = []
    for line in hunk.lines:
        if line[:1] == "+":
            put.append(line[1:])
        elif line[:1] == "-":
            next(there)
        else:
            put.append(next(there))
    lines[place : place + len(old)] = put
    return place + len(put)


def _after_header(lines: list[str], header: str, start: int) -> int:
    for place in range(start, len(lines)):
        if lines[place].strip() == header.strip():
            return place + 1
    for place in range(start, len(lines)):
        if header.strip() in lines[place]:
            return place + 1
    raise PatchError(f"no line {header!r} after line {start}")


def _place(lines: list[str], old: list[str], start: int, hunk: Hunk) -> int:
    """Find *old*: to the letter, else but for blanks at line ends, else at both ends."""
    for same in (str, str.rstrip, str.strip):
        found = _places(lines, old, start, same)
        if hunk.at_end:
            found = [place for place in found if place + len(old) == len(lines)]
        if len(found) > 1 and not hunk.headers:
            where = ", ".join(str(place + 1) for place in found[:5])
            raise PatchError(f"its lines are there {len(found)} times (lines {where}); add context")
        if found:
            return found[0]
    first = next((line for line in old if line.strip()), old[0])
    raise PatchError(f"its lines are not there (looked for {first.strip()[:100]!r} …)")


def _places(
    lines: Sequence[str], old: Sequence[str], start: int, same: Callable[[str], str]
) -> list[int]:
    wanted = [same(line) for line in old]
    have = [same(line) for line in lines]
    last = len(have) - len(wanted)
    return [p for p in range(start, last + 1) if have[p : p + len(wanted)] == wanted]
