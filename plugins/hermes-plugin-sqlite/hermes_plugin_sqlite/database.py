"""Opening the file: which library, which file system, whose file, and what an error means.

Nothing here or elsewhere opens the file, its ``-wal`` or its ``-shm`` except SQLite itself: closing
*any* descriptor of a SQLite file drops every POSIX lock that the process holds on it, which is how
databases of systems before us were torn (sqlite.org/howtocorrupt.html, 2.2). Looking at a file's
size and setting its mode need no descriptor.
"""

from __future__ import annotations

import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from hermes import StoreError

OLDEST_LIBRARY = (3, 51, 3)
"""Before it, two connections that write at once can corrupt the WAL (the WAL-reset bug)."""
BUSY_SECONDS = 60
APPLICATION = 0x4845524D
"""``PRAGMA application_id`` of a journal: "HERM"."""
CACHE_KIB = 8192
MEMORY = Path("/memory")
"""Stands for no folder: a file in it is a database in this process's memory (SQLite's memdb), which
connections of the same name share and the last to close takes with it."""
_SHARED = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
LOG_LIMIT = 4 << 20
"""Bytes that a WAL file may keep when it is empty of news."""

NETWORKED = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "davfs")
) | frozenset(("fuse.sshfs", "fuse.rclone", "fuse.glusterfs", "fuse.davfs2"))
"""File systems on which processes of two machines do not see each other's locks and memory."""


def check_library(version: str | None = None) -> None:
    """Raise StoreError, naming the mend, for a SQLite that cannot be trusted with a journal."""
    version = version or apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")) < OLDEST_LIBRARY:
        oldest = ".".join(map(str, OLDEST_LIBRARY))
        raise StoreError(
            f"SQLite {version} can corrupt a journal that two processes write; {oldest} is the"
            " oldest that may be used: pip install -U 'apsw>=3.54'"
        )
    if "ENABLE_FTS5" not in apsw.compile_options:
        raise StoreError("this SQLite was built without FTS5: pip install -U 'apsw>=3.54'")


def file_system(folder: Path, mounts: str) -> str:
    """Name the type of the file system that *folder* lies on, by the text of ``mountinfo``."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        mount, _, rest = line.partition(" - ")
        fields = mount.split()
        if len(fields) < 5 or not rest:
            continue
        point = (
            fields[4].encode().decode("unicode_escape").encode("latin-1").decode(errors="replace")
        )
        if len(point) >= best and folder.is_relative_to(point):
            best, kind = len(point), rest.split()[0]
    return kind


def check_folder(folder: Path, mounts: str | None = None) -> None:
    """Raise StoreError where *folder* is on a network. Known on Linux only."""
    if mounts is None:
        if not sys.platform.startswith("linux"):
            return
        try:
            mounts = Path("/proc/self/mountinfo").read_text(errors="replace")
        except OSError:
            return
    kind = file_system(folder.resolve(), mounts)
    if kind in NETWORKED:
        raise StoreError(
            f"the journal cannot lie in {folder}, a network folder ({kind}), where it would be"
            " corrupted: set HERMES_HOME to a folder on a local disk"
        )


@contextmanager
def named(file: Path) -> Iterator[None]:
    """Turn SQLite's errors about *file* into a StoreError that names it and the mend."""
    try:
        yield
    except apsw.Error as error:
        raise StoreError(_said(file, error)) from error


def _said(file: Path, error: apsw.Error) -> str:
    match error:
        case apsw.NotADBError() | apsw.CorruptError():
            return (
                f"the journal {file} is damaged ({error}) and was left as it is: move it away with"
                f" its -wal file and put a backup in its place, or start anew without it"
                f" (sqlite3 {file.name} .recover saves what can be read)"
            )
        case apsw.BusyError() | apsw.LockedError():
            return (
                f"the journal {file} stayed locked by another process for {BUSY_SECONDS} s:"
                " end that process, or try again"
            )
        case apsw.FullError():
            return f"no space is left for the journal {file}: free some and try again"
        case apsw.CantOpenError() | apsw.ReadOnlyError() | apsw.PermissionsError():
            return (
                f"the journal {file} cannot be opened for writing ({error}): check that"
                f" {file.parent} exists and that both belong to you"
            )
        case apsw.IOError():
            return f"the disk failed at the journal {file} ({error}): check the disk"
    return f"the journal {file}: {error}"


def connect(file: Path, *, query_only: bool = False) -> apsw.Connection:
    """Open a connection, durable and private. Call inside `named`, in the thread that uses it."""
    if file.parent == MEMORY:
        db = apsw.Connection(f"file:/{file.name}?vfs=memdb", flags=_SHARED)
    else:
        db = apsw.Connection(str(file))
    try:
        db.set_busy_timeout(BUSY_SECONDS * 1000)
        if file.parent != MEMORY:
            _check_owner(db, file)
            _private(file)
            _write_ahead(db, file)
        for pragma in (
            "synchronous = FULL",
            "fullfsync = ON",
            "checkpoint_fullfsync = ON",
            "secure_delete = ON",
            "foreign_keys = ON",
            "trusted_schema = OFF",
            f"cache_size = -{CACHE_KIB}",
            f"journal_size_limit = {LOG_LIMIT}",
            f"query_only = {'ON' if query_only else 'OFF'}",
        ):
            db.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        db.close()
        raise
    return db


def _check_owner(db: apsw.Connection, file: Path) -> None:
    """Read the header, which fails for what is no database, before anything is written."""
    tables = db.execute("SELECT count(*) FROM sqlite_schema").get
    # In this order: another process may be making a new file right now, both in one transaction.
    if tables and db.execute("PRAGMA application_id").get != APPLICATION:
        raise StoreError(
            f"{file} is a database of another program: move it away, Hermes keeps its journal there"
        )


def _private(file: Path) -> None:
    """Let nobody else read it. A ``-wal`` and ``-shm`` made later take the file's mode."""
    for path in (file, *sidecars(file)):
        try:
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                path.chmod(0o600)
        except FileNotFoundError:
            pass
        except PermissionError as error:
            raise StoreError(
                f"{path} belongs to somebody else: make it yours, or move it away"
            ) from error


def _write_ahead(db: apsw.Connection, file: Path) -> None:
    """Switch to WAL. Of several processes that make a new file at once, SQLite lets one and tells
    the others "busy" without waiting.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            mode = db.execute("PRAGMA journal_mode = WAL").get
            break
        except apsw.BusyError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
    if mode != "wal":
        raise StoreError(
            f"the disk of {file.parent} cannot share memory between processes (SQLite's WAL):"
            " set HERMES_HOME to a folder on a local disk"
        )


def sidecars(file: Path) -> tuple[Path, Path]:
    """Name the write-ahead log and the shared memory beside *file*."""
    return file.with_name(file.name + "-wal"), file.with_name(file.name + "-shm")


def size(file: Path) -> int:
    """Count the bytes on disk, by name and without opening anything."""
    total = 0
    for path in (file, *sidecars(file)):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            pass
    return total


@contextmanager
def immediate(db: apsw.Connection) -> Iterator[None]:
    """A write transaction: takes the write lock first, rolls back on any exception."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
