"""Which files of a workspace are watched while a command runs in it, and which of them are kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TypeAlias

from hermes_plugin_checkpoints.git import Kept

LEFT_OUT = frozenset(
    {
        ".git", ".hg", ".svn", "node_modules", ".venv", "venv", "__pycache__", ".cache", ".tox",
        ".mypy_cache", ".ruff_cache", ".pytest_cache", ".gradle", ".terraform", "target", ".next",
        ".hermes", "site-packages", ".eggs",
    }
)  # fmt: skip
"""Folders that programs make and can make again, and other systems' own."""


class TooMany(Exception):
    """The folder has more files than are watched."""


class Watched(NamedTuple):
    """What lies somewhere, by path relative to it; links as themselves."""

    files: dict[str, int]
    """What is kept: permission bits, 0 for a link."""
    unkept: dict[str, Kept]
    """What is only known to be there: it is too large, cannot be read, or holds secrets."""


Unkept: TypeAlias = Callable[[str, os.stat_result], bool]
"""Whether the contents of a regular file (its path and what `os.lstat` says) are not kept."""


def watched(folder: str, most: int, unkept: Unkept, without: str = "") -> Watched:
    """Look at the files of *folder*, but for the folder *without* (Hermes's own home).

    Raises TooMany where there are more than *most*.
    """
    found = Watched({}, {})
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            entries = list(os.scandir(os.path.join(folder, inside)))  # noqa: PTH118  (many)
        except OSError:
            continue
        for entry in entries:
            name = f"{inside}/{entry.name}" if inside else entry.name
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in LEFT_OUT and entry.path != without:
                    waiting.append(name)
                continue
            _add(found, name, entry.path, unkept)
            if len(found.files) + len(found.unkept) > most:
                raise TooMany
    return found


def named(paths: Iterable[str], unkept: Unkept) -> Watched:
    """Look at single files, by absolute path."""
    found = Watched({}, {})
    for path in paths:
        _add(found, path.lstrip("/"), path, unkept)
    return found


def _add(found: Watched, name: str, path: str, unkept: Unkept) -> None:
    try:
        about = os.lstat(path)
    except OSError:
        return
    bits = stat.S_IMODE(about.st_mode) & 0o777
    if stat.S_ISLNK(about.st_mode):
        found.files[name] = 0
    elif stat.S_ISREG(about.st_mode):
        if unkept(path, about):
            found.unkept[name] = Kept.unkept(about, bits)
        else:
            found.files[name] = bits


def too_wide(folder: str, home: str = "") -> bool:
    """Whether *folder* is no workspace: the root, a home with everything a person has, Hermes's."""
    wide = ("/", str(Path.home()), "/etc", "/usr", "/var", "/home", "/root", home)
    return folder in wide
