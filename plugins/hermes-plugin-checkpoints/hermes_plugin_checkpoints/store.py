"""What is remembered: for each call that changed files, how they were before it and after it.

A change is a commit of its own under ``refs/sessions/<session>/``, with the files of both sides in
its tree, so that dropping it frees them. Every method waits for git: call it in a thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hermes_plugin_checkpoints.git import Git, Kept, Snapshot
from hermes_plugin_checkpoints.settings import Settings
from hermes_plugin_checkpoints.walk import TooMany, can_be_kept, too_wide, watched

MEGABYTE = 1_000_000


class Change(NamedTuple):
    """One file: how it was, and how the agent left it; None where there was none."""

    path: str
    before: Kept | None
    after: Kept | None


class Call(msgspec.Struct, frozen=True):
    """The call that changes files."""

    session: str
    turn: str
    text: str
    """What the person had asked for."""
    tool: str
    directory: str


class Entry(msgspec.Struct, frozen=True):
    """What one call changed."""

    ref: str
    call: Call
    time: float
    changes: tuple[Change, ...]
    cut: bool = False
    """Hermes was killed while the call ran, and what is *after* was taken at the next start: it may
    hold changes of others."""


class Watch(NamedTuple):
    """A call that runs: how things were before it."""

    call: Call
    paths: tuple[str, ...] | None
    before: Snapshot
    note: Path


class Remembered:
    """The changes of one home."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder
        self.git = Git(folder / "store.git")
        self._settings = settings
        self._largest = int(settings.max_file_size_mb * MEGABYTE)
        self._lock = threading.Lock()

    def narrow(self, limits: dict[str, float]) -> None:
        """Let other limits hold for the next `prune`."""
        self._settings = msgspec.structs.replace(self._settings, **limits)

    # -- while a call runs --------------------------------------------------------------------

    def begin(self, call: Call, paths: tuple[str, ...] | None) -> Watch | None:
        """Remember files before *call*: those of *paths*, or all of its directory.

        None where it has too many, or is no workspace. A note on disk lets the next start finish
        what a kill cut short.
        """
        with self._lock:
            before = self._look(call.directory, paths)
            if before is None:
                return None
            self._place("running").mkdir(mode=0o700, parents=True, exist_ok=True)
            note = self._place("running") / f"{os.getpid()}-{time.time_ns()}.json"
            written = {"call": msgspec.to_builtins(call), "paths": paths, "before": before}
            note.write_text(json.dumps(written))
            return Watch(call, paths, before, note)

    def end(self, watch: Watch, *, cut: bool = False) -> Entry | None:
        """Keep what the call changed; None where that is nothing."""
        with self._lock:
            after = self._look(watch.call.directory, watch.paths) or {}
            changes = tuple(
                Change(path, watch.before.get(path), after.get(path))
                for path in sorted(watch.before.keys() | after.keys())
                if watch.before.get(path) != after.get(path)
            )
            entry = self._keep(watch.call, changes, cut=cut) if changes else None
            watch.note.unlink(missing_ok=True)
            return entry

    def _look(self, directory: str, paths: tuple[str, ...] | None) -> Snapshot | None:
        if paths is not None:
            index = self._place(f"paths-{os.getpid()}")
            index.unlink(missing_ok=True)
            kept = [path.lstrip("/") for path in paths if can_be_kept(path, self._largest)]
            try:
                return self.git.snapshot(kept, "/", index) if kept else {}
            finally:
                index.unlink(missing_ok=True)
        if too_wide(directory):
            return None
        try:
            names = watched(directory, self._settings.max_files, self._largest)
        except TooMany:
            return None
        return self.git.snapshot(names, directory, self._index(directory))

    def _index(self, directory: str) -> Path:
        """Name this process's index of *directory*; a new one begins with what another knew."""
        name = f"index-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}"
        mine = self._place(f"{name}-{os.getpid()}")
        if not mine.exists():
            others = sorted(self.folder.glob(f"{name}-*"), key=lambda file: file.stat().st_mtime)
            if others:
                shutil.copy2(others[-1], mine)
        return mine

    def _place(self, name: str) -> Path:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.folder / name

    def _keep(self, call: Call, changes: tuple[Change, ...], *, cut: bool = False) -> Entry:
        now = time.time()
        ref = f"refs/sessions/{_safe(call.session)}/{int(now * 1e6):020}"
        about = {"call": msgspec.to_builtins(call), "time": now, "changes": changes, "cut": cut}
        files = {}
        for change in changes:
            for side, kept in (("before", change.before), ("after", change.after)):
                if kept is not None:
                    files[side + change.path] = kept
        index = self._place(f"entry-{os.getpid()}")
        self.git.commit(json.dumps(about).encode(), files, ref, index)
        return Entry(ref, call, now, changes, cut)

    # -- afterwards ---------------------------------------------------------------------------

    def entries(self, session: str = "") -> list[Entry]:
        """List what is remembered, oldest first; of one conversation, or of all."""
        prefix = f"refs/sessions/{_safe(session)}/" if session else "refs/sessions/"
        found = [_entry(ref, message) for ref, message in self.git.messages(prefix).items()]
        return sorted(found, key=lambda entry: entry.time)

    def now(self, paths: list[str]) -> Snapshot:
        """Give how the files named by absolute *paths* are now."""
        with self._lock:
            return self._look("/", tuple(paths)) or {}

    def keep(self, call: Call, changes: tuple[Change, ...]) -> Entry:
        """Remember changes that were made by something else than a tool: a rollback."""
        with self._lock:
            return self._keep(call, changes)

    def drop(self, entries: list[Entry]) -> None:
        """Forget *entries*."""
        lines = b"".join(f"delete {entry.ref}\n".encode() for entry in entries)
        if lines:
            self.git("update-ref", "--stdin", stdin=lines)

    def recover(self) -> int:
        """Keep what calls changed that a kill cut short; say how many there were."""
        notes = sorted(self._place("running").glob("*.json"))
        dead = [note for note in notes if not _lives(int(note.name.partition("-")[0]))]
        for note in dead:
            try:
                written = json.loads(note.read_text())
                call = msgspec.convert(written["call"], Call)
                paths = None if written["paths"] is None else tuple(written["paths"])
                before = {path: Kept(*kept) for path, kept in written["before"].items()}
            except (ValueError, LookupError, TypeError):
                note.unlink()  # the kill came while it was written: nothing had begun
                continue
            self.end(Watch(call, paths, before, note), cut=True)
        return len(dead)

    def prune(self) -> int:
        """Drop what is too old or too much, free the room, and give how many entries went."""
        entries = self.entries()
        oldest = time.time() - self._settings.retention_days * 86_400
        going = [entry for entry in entries if entry.time < oldest]
        staying = [entry for entry in entries if entry.time >= oldest]
        for session in {entry.call.session for entry in staying}:
            going += _beyond(staying, session, self._settings.max_snapshots)
        self.drop(going)
        self._clean()
        left = [entry for entry in staying if entry not in going]
        while left and self.size() > self._settings.max_total_size_mb * MEGABYTE:
            some = left[: max(1, len(left) // 4)]
            self.drop(some)
            self._clean()
            going, left = going + some, left[len(some) :]
        return len(going)

    def _clean(self) -> None:
        for file in self.folder.glob("*-*"):
            pid = file.name.rpartition("-")[2]
            if file.is_file() and pid.isdigit() and not _lives(int(pid)):
                file.unlink(missing_ok=True)
        self.git("gc", "-q", "--prune=1.hour.ago")

    def size(self) -> int:
        """Give the bytes on disk."""
        files = (file for file in self.folder.rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files)

    def clear(self) -> None:
        """Forget everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


def by_turn(entries: list[Entry]) -> list[list[Entry]]:
    """Group entries by turn, newest turn first; inside a turn, oldest first."""
    turns: dict[str, list[Entry]] = {}
    for entry in entries:
        turns.setdefault(entry.call.turn, []).append(entry)
    return list(reversed(turns.values()))


def _beyond(entries: list[Entry], session: str, most: int) -> list[Entry]:
    """Give the entries of the turns of *session* that are more than *most*."""
    turns = by_turn([entry for entry in entries if entry.call.session == session])
    return [entry for turn in turns[most:] for entry in turn]


def _entry(ref: str, message: bytes) -> Entry:
    about: dict[str, Any] = json.loads(message)
    changes = tuple(
        Change(path, Kept(*before) if before else None, Kept(*after) if after else None)
        for path, before, after in about["changes"]
    )
    return Entry(ref, msgspec.convert(about["call"], Call), about["time"], changes, about["cut"])


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
