"""Search by one command on the terminal: ripgrep where it is, else grep and find.

Both are told to write ``path NUL line``, so names with colons or newlines are no trouble; what they
complain of is kept apart. The search stops when there is enough to show.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Literal, NamedTuple

from hermes import Terminal, TerminalError

ENOUGH = 1_000_000
"""Bytes of results that are looked at."""
LINE = 400
"""Characters of a line that are shown."""
SECONDS = 60.0

Mode = Literal["content", "files_only", "count"]


class Query(NamedTuple):
    """What is searched for, and where: *root* is absolute."""

    pattern: str
    root: str
    glob: str = ""
    mode: Mode = "content"
    context: int = 0


class Hit(NamedTuple):
    """A line, a file or a count of one."""

    path: str
    text: str = ""
    line: int = 0
    matched: bool = True
    """False for a line of context."""


class Found(NamedTuple):
    """Results in order, and whether there may be more."""

    hits: list[Hit]
    cut: bool


async def content(terminal: Terminal, query: Query) -> Found:
    """Search within files. Raise `TerminalError` for a pattern that is none."""
    data, cut = await _run(terminal, _content_command(query))
    if query.mode == "files_only":
        return Found([Hit(path) for path in data.split("\0")[:-1]], cut)
    return Found(list(_hits(data, query.mode)), cut)


async def files(terminal: Terminal, query: Query) -> Found:
    """List files by name, the newest first."""
    data, cut = await _run(terminal, _files_command(query))
    return Found([Hit(path) for path in data.split("\0")[:-1]], cut)


def _hits(data: str, mode: Mode) -> Iterator[Hit]:
    """Read ``path NUL rest`` lines; a path may have line breaks in it, the rest has none."""
    place = 0
    while (nul := data.find("\0", place)) >= 0:
        path = data[place:nul].removeprefix("--\n")  # between groups of context
        end = data.find("\n", nul)
        end = len(data) if end < 0 else end
        rest, place = data[nul + 1 : end], end + 1
        if mode == "count":
            if rest.strip() != "0":
                yield Hit(path, rest)
            continue
        digits = len(rest) - len(rest.lstrip("0123456789"))
        text = rest[digits + 1 :].rstrip("\r")
        shown = text if len(text) <= LINE else f"{text[:LINE]}…"
        yield Hit(path, shown, int(rest[:digits] or 0), rest[digits : digits + 1] == ":")


def _content_command(query: Query) -> str:
    rg = ["rg", "--no-config", "--color=never", "--hidden", "--glob=!.git/", "--sort=path"]
    rg += ["--null", "--with-filename", "--no-heading"]
    grep = ["grep", "-rEIZH", "--exclude-dir=.git"]
    if query.mode == "files_only":
        rg, grep = [*rg, "-l"], [*grep, "-l"]
    elif query.mode == "count":
        rg, grep = [*rg, "-c"], [*grep, "-c"]
    else:
        rg += ["-n", "--max-columns=4000", "--max-columns-preview"]
        grep += ["-n"]
        if query.context:
            rg, grep = [*rg, f"-C{query.context}"], [*grep, f"-C{query.context}"]
    if query.glob:
        rg.append(f"--glob={query.glob}")
        grep.append(f"--include={query.glob}")
    ends = ["-e", query.pattern, "--", query.root]
    return _either(shlex.join(rg + ends), shlex.join(grep + ends))


def _files_command(query: Query) -> str:
    pattern = query.pattern or "*"
    if not any(character in pattern for character in "*?[{"):
        pattern = f"*{pattern}*"
    rg = ["rg", "--no-config", "--files", "--hidden", "--glob=!.git/", "--null", "--sortr=modified"]
    rg += [f"--glob={pattern}", "--", query.root]
    by = ["-path", f"*/{pattern.lstrip('/')}"] if "/" in pattern else ["-name", pattern]
    find = ["find", query.root, "-name", ".git", "-prune", "-o", "-type", "f", *by]
    newest = "sort -zrn | cut -zd ' ' -f2-"
    find += ["-printf", "%T@ %p\\0"]
    return _either(shlex.join(rg), f"{shlex.join(find)} | {newest}")


def _either(rg: str, other: str) -> str:
    """Run *rg* if it is there, else *other*: results, then NUL NUL complaints NUL NUL exit code."""
    search = f"if command -v rg >/dev/null; then {rg}; else {other}; fi"
    return (
        f"exec 3>&1; e=$( (set -o pipefail; {{ {search}; }} | head -c {ENOUGH} >&3) 2>&1 ); c=$?;"
        " printf '\\0\\0%s\\0\\0%d' \"${e:0:1000}\" $c"
    )


async def _run(terminal: Terminal, command: str) -> tuple[str, bool]:
    result = await terminal.run(command, timeout=SECONDS, keep=ENOUGH + 10_000)
    if result.timed_out:
        raise TerminalError(f"the search took more than {SECONDS:.0f} seconds; search less")
    data, complaints, code = [*result.output.rsplit(b"\0\0", 2), b"", b""][:3]
    if not data and code not in (b"0", b"1") and complaints:
        raise TerminalError(complaints.decode("utf-8", "replace").strip())
    return data.decode("utf-8", "replace"), len(data) >= ENOUGH
