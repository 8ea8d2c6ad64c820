"""Undoing: what the agent wrote goes back, and nothing that somebody else wrote since."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hermes_plugin_checkpoints.entries import Change, Entry
from hermes_plugin_checkpoints.git import Git, Kept, Snapshot

SINCE = "changed since"
CUT = "it was cut short, others may have changed it"
SHARED = "another conversation may have changed it"
UNKNOWN = "what was in it is not kept"


class Plan(NamedTuple):
    """What undoing would do."""

    changes: tuple[Change, ...]
    """From how each file is now to how it will be."""
    kept: dict[str, str]
    """Files that stay as they are, with the reason."""
    missed: tuple[str, ...] = ()
    """Why more may have changed than can be undone."""

    @property
    def could(self) -> bool:
        """Whether force would do more."""
        return any(why != UNKNOWN for why in self.kept.values())


def plan(
    entries: list[Entry],
    now: Callable[[list[str]], Snapshot],
    *,
    only: str = "",
    force: bool = False,
) -> Plan:
    """Say what undoing *entries* (oldest first) takes. *only* names one file.

    A file is touched only if it is as the agent left it, nobody else may have changed it, and what
    it holds is kept, so that this can be undone too. *force* lets only the first two pass.
    """
    paths = sorted({change.path for entry in entries for change in entry.changes})
    if only:
        paths = [path for path in paths if path == only or path.endswith("/" + only.lstrip("./"))]
    present = now(paths)
    state: dict[str, Kept | None] = {path: present.get(path) for path in paths}
    stays: dict[str, str] = {}
    for entry in reversed(entries):
        for change in entry.changes:
            if change.path not in state or change.path in stays:
                continue
            if not force and (why := _foreign(entry, change, state[change.path])):
                stays[change.path] = why
            else:
                state[change.path] = change.before
    for path, wanted in state.items():
        sides = (wanted, present.get(path))
        if wanted != sides[1] and not all(side is None or side.here for side in sides):
            stays.setdefault(path, UNKNOWN)
    changes = tuple(
        Change(path, present.get(path), wanted)
        for path, wanted in state.items()
        if path not in stays and wanted != present.get(path)
    )
    missed = () if only else tuple(dict.fromkeys(e.missed for e in entries if e.missed))
    return Plan(changes, stays, missed)


def _foreign(entry: Entry, change: Change, present: Kept | None) -> str:
    """Say why the file may hold what somebody else wrote; empty where it does not."""
    if present != change.after:
        return SINCE
    return CUT if entry.cut else SHARED if entry.shared else ""


def apply(git: Git, changes: tuple[Change, ...]) -> tuple[list[Change], dict[str, str]]:
    """Bring files to their second state; give those that were, and the others with the reason.

    What is removed goes first: a folder may stand where a file was.
    """
    done: list[Change] = []
    failed: dict[str, str] = {}
    for change in sorted(changes, key=lambda change: change.after is not None):
        try:
            _bring(git, Path(change.path), change.after)
            done.append(change)
        except OSError as error:
            failed[change.path] = error.strerror or type(error).__name__
    return done, failed


def _bring(git: Git, path: Path, wanted: Kept | None) -> None:
    folder = path.parent
    if Path(os.path.realpath(folder)) != folder:
        raise OSError(0, "a link stands where its folder was")
    if wanted is None:
        path.unlink(missing_ok=True)
        return
    contents = git.contents(wanted.blob)
    folder.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        for inside, _, _ in os.walk(path, topdown=False):
            Path(inside).rmdir()  # of what the agent made there no file is left
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
    try:
        if wanted.mode == "120000":
            beside.symlink_to(os.fsdecode(contents))
        else:
            beside.touch(0o600)  # nobody else reads it before its mode is right
            beside.write_bytes(contents)
            beside.chmod(wanted.bits)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
