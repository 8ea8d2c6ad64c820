"""What a command would find in its terminal: its home, its environment, what names stand for.

A known name proves nothing by itself: a function, an alias or a PATH that begins in the workspace
may stand behind it. So the terminal is asked, once for each environment that it comes to.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shlex
from collections.abc import Iterable
from typing import NamedTuple
from weakref import WeakKeyDictionary

from hermes import Terminal, TerminalError, TerminalState

SECONDS = 10.0
KEPT = 32
"""Environments of one terminal that are remembered."""
UNTRUSTED = ("/tmp", "/var/tmp", "/dev/shm")
_HARMFUL = (
    "LD_", "DYLD_", "GIT_", "BASH_ENV", "BASH_FUNC_", "ENV", "SHELLOPTS", "BASHOPTS", "PS4",
    "PROMPT_COMMAND", "IFS", "CDPATH", "GLOBIGNORE", "EXECIGNORE", "RIPGREP_CONFIG_PATH",
    "GREP_OPTIONS", "LESSOPEN", "LESSCLOSE", "TAR_OPTIONS", "JQ_", "POSIXLY_CORRECT", "AWKPATH",
    "AWKLIBPATH", "LOCPATH", "GCONV_PATH", "TREE_", "XDG_CONFIG_HOME", "TIME_STYLE", "MAGIC",
)  # fmt: skip
"""Beginnings of variables with which a harmless program may do something else."""
_HARMLESS = ("GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_SSL_CAINFO", "GIT_TERMINAL_PROMPT")
_HARMFUL_WHOLE = frozenset({"ENV", "IFS", "PS4", "MAGIC"})
_LOOK = r"""
__hermes_names() { \builtin type -t "$1"; \builtin type -P "$1"; \builtin printf '\0'; }
\builtin printf '%s\0' "$HOME" "$PATH" "$(\builtin compgen -e)" "$(\builtin compgen -A function)"
\builtin printf '%s\0' "$(\builtin alias -p)"
(
  \builtin unset PWD OLDPWD SHLVL _ HERMES_CHILD
  \builtin unset -f __hermes_names
  \builtin export -p; \builtin declare -f; \builtin alias -p; \builtin shopt -p
) | \command sha256sum
\builtin printf '\0'
"""


class Surroundings(NamedTuple):
    """One environment of a terminal."""

    home: str
    exported: frozenset[str]
    shadowed: frozenset[str]
    """Names of functions and aliases."""
    digest: str
    """Hash of everything that a command inherits: variables, functions, aliases, options."""
    odd: str
    """A variable that changes what harmless programs do; empty where there is none."""
    path: tuple[str, ...]
    """Folders that programs are looked for in."""
    programs: dict[str, str]
    """What names stand for: ``builtin``, ``keyword``, the path of a file, or nothing."""

    def objection(self, name: str, folders: Iterable[str]) -> str:
        """Say why *name* may not be the program that it seems to be; empty where it is.

        *folders*: programs beneath them are somebody's code, as the workspace's are.
        """
        if name in self.shadowed:
            return f"{name} is a function or an alias here"
        if name.startswith("/"):
            return ""
        found = self.programs.get(name, "")
        if found in ("builtin", "keyword"):
            return ""
        if not found.startswith("/"):
            return f"there is no program {name} here"
        if any(
            f"{found}/".startswith(f"{folder.rstrip('/')}/") for folder in (*UNTRUSTED, *folders)
        ):
            return f"{name} is the file {found}"
        return ""


class Lookout:
    """Asks terminals, and remembers."""

    def __init__(self) -> None:
        self._seen: WeakKeyDictionary[Terminal, dict[str, Surroundings]] = WeakKeyDictionary()

    async def look(self, terminal: Terminal, names: Iterable[str] = ()) -> Surroundings:
        """Give what is there now, with what *names* stand for. Raise `TerminalError`."""
        seen = self._seen.setdefault(terminal, {})
        names = tuple(names)
        state = TerminalState("/", terminal.state.snapshot)
        known = seen.get(state.snapshot)
        missing = [
            name
            for name in dict.fromkeys(names)
            if "/" not in name
            and (known is None or name not in known.programs or not _settled(known.path))
        ]
        if known is not None and not missing:
            return known
        asked = "\n".join(f"__hermes_names {shlex.quote(name)}" for name in missing)
        command = f"{_LOOK}{asked}" if known is None else f"{_LOOK.splitlines()[1]}\n{asked}"
        result = await terminal.run(command, state=state, timeout=SECONDS, keep=1_000_000)
        if result.timed_out or result.total > len(result.output):
            raise TerminalError("its surroundings could not be looked at")
        parts = os.fsdecode(result.output).split("\0")
        if known is None:
            if len(parts) < 6:
                raise TerminalError("its surroundings could not be looked at")
            known = _surroundings(parts[:6])
            parts = parts[6:]
            while len(seen) >= KEPT:
                seen.pop(next(iter(seen)))
            seen[state.snapshot] = known
        for name, said in zip(missing, parts, strict=False):
            kind, _, path = said.strip("\n").partition("\n")
            known.programs[name] = path if kind == "file" else kind
        return known


def _surroundings(parts: list[str]) -> Surroundings:
    home, path, exported, functions, aliases, digest = parts
    folders = tuple(path.split(":"))
    names = exported.split()
    shadowed = {name for name in functions.split() if name != "__hermes_names"}
    for line in aliases.splitlines():
        shadowed.add(line.removeprefix("alias ").removeprefix("-- ").partition("=")[0])
    odd = next((name for name in names if _changes_programs(name)), "")
    if not all(folder.startswith("/") for folder in folders):
        odd = odd or "PATH"
    hashed = hashlib.sha256(digest.strip().encode()).hexdigest()[:32] if digest.strip() else ""
    return Surroundings(home, frozenset(names), frozenset(shadowed), hashed, odd, folders, {})


def _settled(path: tuple[str, ...]) -> bool:
    """Whether a program that was found stays the one that is found: all folders are the system's.

    Elsewhere another may be put before it at any time, so it is looked for each time.
    """
    return all(f"{folder}/".startswith(("/usr/", "/bin/", "/sbin/", "/snap/")) for folder in path)


def _changes_programs(name: str) -> bool:
    if name.startswith(_HARMLESS):
        return False
    return name in _HARMFUL_WHOLE or any(
        name.startswith(each) for each in _HARMFUL if each not in _HARMFUL_WHOLE
    )


async def patient(terminal: Terminal, command: str, directory: str, seconds: float) -> str | None:
    """Run a look of our own in *directory*; None when it fails or says too much."""
    state = TerminalState(directory, terminal.state.snapshot)
    try:
        async with asyncio.timeout(seconds + 2):
            result = await terminal.run(command, state=state, timeout=seconds, keep=1_000_000)
    except (TerminalError, TimeoutError):
        return None
    if result.timed_out or result.exit_code != 0 or result.total > len(result.output):
        return None
    return os.fsdecode(result.output)
