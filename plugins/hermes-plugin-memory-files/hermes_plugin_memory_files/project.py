"""Which project a conversation is about: the repository, or the folder, that it was begun in."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import msgspec


class Project(msgspec.Struct, frozen=True):
    """A folder that somebody works in."""

    key: str
    """Name of its memory file: the folder's name and a hash of where it lies."""
    folder: str

    @property
    def name(self) -> str:
        return Path(self.folder).name


def project_of(directory: str, home: Path) -> Project | None:
    """Give the project of *directory*; None for a home folder, the root, and what is not there.

    *home* is Hermes's own.
    """
    if not directory:
        return None
    try:
        folder = Path(directory).resolve(strict=True)
        person = Path.home().resolve()
        hermes = home.resolve()
    except (OSError, RuntimeError):
        return None
    root = next((d for d in (folder, *folder.parents) if (d / ".git").exists()), folder)
    if root in (person, hermes, Path(root.anchor)):
        return None
    name = re.sub(r"[^\w-]+", "-", root.name).strip("-")[:40] or "project"
    digest = hashlib.sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return Project(f"{name}-{digest}", str(root))
