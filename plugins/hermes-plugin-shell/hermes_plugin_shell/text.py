"""How a command's output is told to the model: plain text, short, and where the rest is."""

from __future__ import annotations

import re

ROOM = 7_400
"""Characters of output that are told: with the last line, below the limit of a tool result. As many
bytes are asked for, so that the terminal keeps a file of whatever is not told whole."""

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links
    r"|[PX^_][^\x1b]*(?:\x1b\\)?"
    r"|[ -/]*[0-~]?)"
)
_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

_MEANING: dict[tuple[str, int], str] = {
    **{(grep, 1): "no match" for grep in ("grep", "egrep", "fgrep", "rg", "ag", "ack")},
    **{(diff, 1): "they differ" for diff in ("diff", "cmp", "colordiff")},
    ("test", 1): "false",
    ("[", 1): "false",
    ("[[", 1): "false",
    ("find", 1): "some folders could not be read",
    ("curl", 6): "host not found",
    ("curl", 7): "no connection",
    ("curl", 22): "HTTP error status",
    ("curl", 28): "timed out",
}
_ANYBODY_S = {
    124: "timed out",
    126: "cannot be executed",
    127: "command not found",
    130: "interrupted",
    134: "aborted",
    137: "killed, maybe for lack of memory",
    139: "crashed (segmentation fault)",
    141: "its reader went away",
    143: "terminated",
}


def plain(data: bytes) -> str:
    """Make text of output: no escape sequences, of overwritten lines (progress bars) the last."""
    text = _ESCAPES.sub("", data.decode("utf-8", "replace"))
    return _CONTROL.sub("", _OVERWRITTEN.sub("", text.replace("\r\n", "\n")))


def is_binary(data: bytes) -> bool:
    """NUL bytes, or more than a tenth of it is no UTF-8."""
    text = data.decode("utf-8", "replace")
    return b"\0" in data or text.count("\ufffd") > max(8, len(text) // 10)


def told(data: bytes, total: int, whole: str = "", room: int = ROOM) -> str:
    """Tell output of *total* bytes, of which *data* is all, or head and tail.

    *whole* says where all of it can be read.
    """
    if is_binary(data):
        first = data[:16].hex(" ")
        where = f"; {whole}" if whole else "; redirect it to a file to keep it"
        return f"[binary output, {total} bytes, beginning {first}{where}]"
    if total == len(data):
        text = plain(data)
        if len(text) <= room:
            return text
        head, tail = text[: room * 2 // 5], text[-(room * 3 // 5) :]
    else:
        half = len(data) // 2
        head, tail = plain(_edge(data[:half])), plain(_edge(data[half:]))
        head, tail = head[: room * 2 // 5], tail[-(room * 3 // 5) :]
    shown = len(head.encode()) + len(tail.encode())
    missing = f"[… {max(total - shown, 0)} of {total} bytes left out"
    return f"{head}\n{missing}{f'; {whole}' if whole else ''} …]\n{tail}"


def meaning(command: str, exit_code: int) -> str:
    """Say what an exit code means, where that is known; else an empty string."""
    if exit_code == 0:
        return ""
    return _MEANING.get((_last_program(command), exit_code)) or _ANYBODY_S.get(exit_code, "")


def _edge(data: bytes) -> bytes:
    """Drop the parts of characters that a cut through bytes left at both ends."""
    return data.decode("utf-8", "ignore").encode()


def _last_program(command: str) -> str:
    bare = re.sub(r"'[^']*'|\"(?:\\.|[^\"\\])*\"", "_", command)
    last = re.split(r"[|;&\n]+", bare.strip().rstrip(";&"))[-1].split()
    while last and ("=" in last[0] or last[0] in ("sudo", "time", "!")):
        last = last[1:]
    return last[0].rpartition("/")[2] if last else ""
