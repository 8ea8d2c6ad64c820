"""Which files of a workspace are watched while a command runs in it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

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


def watched(folder: str, most: int, largest: int) -> list[str]:
    """List the files of *folder*, relative to it, links as themselves.

    Raises TooMany where there are more than *most*. Files above *largest* bytes, and those that
    cannot be read, are left out.
    """
    found: list[str] = []
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
                if entry.name not in LEFT_OUT:
                    waiting.append(name)
            elif can_be_kept(entry.path, largest):
                found.append(name)
                if len(found) > most:
                    raise TooMany
    return found


def can_be_kept(path: str, largest: int) -> bool:
    """Whether this is a link, or a regular file that can be read and is not too large."""
    try:
        about = os.lstat(path)
    except OSError:
        return False
    if stat.S_ISLNK(about.st_mode):
        return True
    return stat.S_ISREG(about.st_mode) and about.st_size <= largest and os.access(path, os.R_OK)


def too_wide(folder: str) -> bool:
    """Whether *folder* is no workspace: the root, or a home with everything a person has."""
    return folder in ("/", str(Path.home())) or folder in ("/etc", "/usr", "/var", "/home", "/root")
