"""Commands that would slip out of the terminal's hands, and what to do instead."""

from __future__ import annotations

import re

_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.")
_DETACHES = re.compile(r"(?:^|[;&|(\n]|\bsudo\s)\s*(?:nohup|setsid|disown)\b")
_TRAILING = re.compile(r"(?<![&>])&\s*$")


def objection(command: str) -> str:
    """Say why *command* is not run in the foreground as it is; empty where nothing is wrong."""
    if not command.strip():
        return "The command is empty."
    first = command.split("<<", 1)[0]  # what a here-document holds is not a command
    bare = _QUOTED.sub("_", first)
    if _DETACHES.search(bare) or (first == command and _TRAILING.search(bare)):
        return (
            "Not run: a process that is put in the background by the shell (&, nohup, setsid,"
            " disown) cannot be watched or ended. Use background=true with the plain command."
        )
    return ""
