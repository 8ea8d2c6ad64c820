"""Undoing: what the agent wrote goes back, and nothing that somebody else wrote since."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hermes_plugin_checkpoints.git import Git, Kept, Snapshot
from hermes_plugin_checkpoints.store import Change, Entry


class Plan(NamedTuple):
    """What undoing would do."""

    changes: tuple[Change, ...]
    """From how each file is now to how it will be."""
    kept: tuple[str, ...]
    """Files that somebody changed since: they stay as they are."""


def plan(
    entries: list[Entry],
    now: Callable[[list[str]], Snapshot],
    *,
    only: str = "",
    force: bool = False,
) -> Plan:
    """Say what undoing *entries* (oldest first) takes. *only* names one file.

    A file is touched only if it is as the agent left it; *force* does so anyway.
    """
    paths = sorted({change.path for entry in entries for change in entry.changes})
    if only:
        paths = [path for path in paths if path == only or path.endswith("/" + only.lstrip("./"))]
    present = now(paths)
    state: dict[str, Kept | None] = {path: present.get(path) for path in paths}
    foreign: dict[str, None] = {}
    for entry in reversed(entries):
        for change in entry.changes:
            if change.path not in state or change.path in foreign:
                continue
            if not force and (entry.cut or state[change.path] != change.after):
                foreign[change.path] = None
            else:
                state[change.path] = change.before
    changes = tuple(
        Change(path, present.get(path), wanted)
        for path, wanted in state.items()
        if path not in foreign and wanted != present.get(path)
    )
    return Plan(changes, tuple(foreign))


def apply(git: Git, changes: tuple[Change, ...]) -> tuple[list[Change], dict[str, str]]:
    """Bring files to their second state; give those that were, and the others with the reason."""
    done: list[Change] = []
    failed: dict[str, str] = {}
    for change in changes:
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
    beside = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
    try:
        if wanted.mode == "120000":
            beside.symlink_to(os.fsdecode(contents))
        else:
            beside.write_bytes(contents)
            held = path.stat().st_mode & 0o666 if path.is_file() else 0o644
            beside.chmod(held | (0o111 & (held >> 2) if wanted.mode == "100755" else 0))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
