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
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

import msgspec

from hermes import HermesError, looks_secret
from hermes_plugin_checkpoints.entries import (
    Call,
    Change,
    Entry,
    NotWatched,
    Watch,
    beyond,
    read_entry,
)
from hermes_plugin_checkpoints.git import Git, Kept, Snapshot
from hermes_plugin_checkpoints.settings import Settings
from hermes_plugin_checkpoints.walk import TooMany, Watched, named, too_wide, watched

MEGABYTE = 1_000_000
REMEMBERED = 50_000
"""Files that are known to hold no secret."""


class Remembered:
    """The changes of one home."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        home: Path | None = None,
        secret: Callable[[bytes], bool] = lambda data: False,
    ) -> None:
        """*home*: Hermes's, of which nothing is copied; *secret* says whether bytes hold one."""
        self.folder = folder
        self._secret = secret
        self._harmless: dict[str, tuple[int, ...]] = {}
        self._home = os.path.realpath(home) if home is not None else ""
        self.git = Git(folder / "store.git")
        self._settings = settings
        self._largest = int(settings.max_file_size_mb * MEGABYTE)
        self._lock = threading.Lock()

    def narrow(self, limits: dict[str, float]) -> None:
        """Let other limits hold for the next `prune`."""
        self._settings = msgspec.structs.replace(self._settings, **limits)

    # -- while a call runs --------------------------------------------------------------------

    def begin(self, call: Call, paths: tuple[str, ...] | None) -> Watch:
        """Remember files before *call*: those of *paths*, or all of its directory.

        A note on disk lets the next start finish what a kill cut short. Raises NotWatched where the
        directory has too many files, or is no workspace.
        """
        with self._lock:
            begun = time.time_ns()
            before = self._look(call.directory, paths)
            self._place("running").mkdir(mode=0o700, parents=True, exist_ok=True)
            note = self._place("running") / f"{os.getpid()}-{begun}.json"
            written = {"call": msgspec.to_builtins(call), "paths": paths, "before": before}
            note.write_text(json.dumps(written))
            return Watch(call, paths, before, note, begun)

    def end(self, watch: Watch, *, cut: bool = False) -> Entry | None:
        """Keep what the call changed; None where that is nothing."""
        with self._lock:
            missed = ""
            try:
                after = self._look(watch.call.directory, watch.paths)
            except NotWatched as error:  # by now: what was there before can still be looked at
                after, missed = self._look("/", tuple(watch.before)), str(error)
            changes = tuple(
                Change(path, watch.before.get(path), after.get(path))
                for path in sorted(watch.before.keys() | after.keys())
                if watch.before.get(path) != after.get(path)
            )
            entry = None
            if changes or missed:
                shared = watch.paths is None and self._shared(watch)
                entry = self._keep(watch.call, changes, cut=cut, shared=shared, missed=missed)
            watch.note.unlink(missing_ok=True)
            return entry

    def miss(self, call: Call, why: str) -> None:
        """Remember that *call* may have changed what is not remembered."""
        with self._lock:
            self._keep(call, (), missed=why)

    def _look(self, directory: str, paths: tuple[str, ...] | None) -> Snapshot:
        if paths is not None:
            index = self._place(f"paths-{os.getpid()}")
            index.unlink(missing_ok=True)
            try:
                return self._snapshot(named(paths, self._unkept), "/", index)
            finally:
                index.unlink(missing_ok=True)
        if too_wide(directory, self._home):
            raise NotWatched(f"{directory} is no folder of one's own")
        most = self._settings.max_files
        try:
            found = watched(directory, most, self._unkept, self._home)
        except TooMany:
            raise NotWatched(f"{directory} has more than {most} files") from None
        return self._snapshot(found, directory, self._index(directory))

    def _unkept(self, path: str, about: os.stat_result) -> bool:
        """Whether there is no copy of a file: too large, secret by name or by what is in it."""
        known = (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        if self._harmless.get(path) == known:
            return not os.access(path, os.R_OK)
        if about.st_size > self._largest or looks_secret("/".join(path.rsplit("/", 2)[1:])):
            return True
        try:
            secret = self._secret(Path(path).read_bytes())
        except OSError:
            return True
        if not secret:
            if len(self._harmless) >= REMEMBERED:
                self._harmless.clear()
            self._harmless[path] = known
        return secret

    def _snapshot(self, found: Watched, root: str, index: Path) -> Snapshot:
        held = self.git.snapshot(found.files, root, index) if found.files or index.exists() else {}
        top = root.rstrip("/")
        bits = {f"{top}/{path}": bits for path, bits in found.files.items()}
        kept = {path: Kept(one.mode, one.blob, bits[path]) for path, one in held.items()}
        return kept | {f"{top}/{path}": one for path, one in found.unkept.items()}

    def _shared(self, watch: Watch) -> bool:
        """Whether another conversation changed, or may change, files of the folder meanwhile."""
        mine, folder = _safe(watch.call.session), watch.call.directory
        for note in self._place("running").glob("*.json"):
            try:
                other = msgspec.convert(json.loads(note.read_text())["call"], Call)
            except (OSError, ValueError, LookupError):
                continue  # it ended just now, or does not begin before we end
            if other.session != watch.call.session and _overlap(other.directory, folder):
                return True
        for ref in self.git.refs("refs/sessions/"):
            session, when = ref.split("/")[2:]
            if session != mine and int(when) * 1000 >= watch.begun:
                entries = (read_entry(*one) for one in self.git.messages(ref).items())
                if any(_beneath(change.path, folder) for one in entries for change in one.changes):
                    return True
        return False

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

    def _keep(self, call: Call, changes: tuple[Change, ...], **about: Any) -> Entry:
        now = time.time()
        ref = f"refs/sessions/{_safe(call.session)}/{int(now * 1e6):020}"
        entry = Entry(ref, call, now, changes, **about)
        files = {}
        for change in changes:
            for side, kept in (("before", change.before), ("after", change.after)):
                if kept is not None and kept.here:
                    files[side + change.path] = kept
        index = self._place(f"entry-{os.getpid()}")
        self.git.commit(json.dumps(msgspec.to_builtins(entry)).encode(), files, ref, index)
        return entry

    # -- afterwards ---------------------------------------------------------------------------

    def entries(self, session: str = "") -> list[Entry]:
        """List what is remembered, oldest first; of one conversation, or of all."""
        prefix = f"refs/sessions/{_safe(session)}/" if session else "refs/sessions/"
        found = [read_entry(ref, message) for ref, message in self.git.messages(prefix).items()]
        return sorted(found, key=lambda entry: entry.time)

    def now(self, paths: list[str]) -> Snapshot:
        """Give how the files named by absolute *paths* are now."""
        with self._lock:
            return self._look("/", tuple(paths))

    def keep(self, call: Call, changes: tuple[Change, ...]) -> Entry:
        """Remember changes that were made by something else than a tool: a rollback."""
        with self._lock:
            return self._keep(call, changes)

    def drop(self, entries: list[Entry]) -> None:
        """Forget *entries*."""
        lines = b"".join(f"delete {entry.ref}\n".encode() for entry in entries)
        if lines:
            self.git("update-ref", "--stdin", stdin=lines)

    def forget(self, session: str, turns: Container[str] = ()) -> None:
        """Forget a conversation but for *turns*, and what only it had kept off the disk."""
        self.drop([entry for entry in self.entries(session) if entry.call.turn not in turns])
        self._clean(now=True)

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
            begun = int(note.stem.partition("-")[2])
            self.end(Watch(call, paths, before, note, begun), cut=True)
        return len(dead)

    def prune(self) -> int:
        """Drop what is too old or too much, free the room, and give how many entries went."""
        entries = self.entries()
        oldest = time.time() - self._settings.retention_days * 86_400
        going = [entry for entry in entries if entry.time < oldest]
        staying = [entry for entry in entries if entry.time >= oldest]
        for session in {entry.call.session for entry in staying}:
            going += beyond(staying, session, self._settings.max_snapshots)
        self.drop(going)
        self._clean()
        left = [entry for entry in staying if entry not in going]
        while left and self.size() > self._settings.max_total_size_mb * MEGABYTE:
            some = left[: max(1, len(left) // 4)]
            self.drop(some)
            self._clean()
            going, left = going + some, left[len(some) :]
        return len(going)

    def _clean(self, *, now: bool = False) -> None:
        """Free the room of what is kept no more. Of what came in the last hour some may yet be
        kept; *now* it goes too, unless a call runs.
        """
        with self._lock:
            now = now and not any(self._place("running").glob("*.json"))
            self._tidy_indexes(all_go=now)
            self.git("gc", "-q", "--prune=now" if now else "--prune=1.hour.ago")

    def _tidy_indexes(self, *, all_go: bool) -> None:
        """Drop the indexes of processes that are gone, or all; keep what the others stand on."""
        held = set()
        for file in self.folder.glob("*-*"):
            pid = file.name.rpartition("-")[2]
            if not file.is_file() or not pid.isdigit():
                continue
            if all_go or not _lives(int(pid)):
                file.unlink(missing_ok=True)  # what is missing is made anew when it is needed
            elif file.name.startswith("index-"):
                try:
                    self.git.protect(f"refs/indexes/{file.name}", file)
                    held.add(f"refs/indexes/{file.name}")
                except HermesError:  # what it stands on is gone
                    file.unlink(missing_ok=True)
        gone = set(self.git.refs("refs/indexes/")) - held
        lines = b"".join(f"delete {ref}\n".encode() for ref in sorted(gone))
        if lines:
            self.git("update-ref", "--stdin", stdin=lines)

    def size(self) -> int:
        """Give the bytes on disk."""
        files = (file for file in self.folder.rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files)

    def clear(self) -> None:
        """Forget everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _overlap(one: str, other: str) -> bool:
    return _beneath(one, other) or _beneath(other, one)


def _beneath(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


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
