"""The one writer of this process: commits that wait at the same time become one transaction.

Each commit runs in a savepoint of its own, so it succeeds or fails alone; the group is made durable
by one wait for the disk. What the full-text index is to learn is written last, after the last
savepoint: FTS5 flushes a segment to disk at every savepoint it takes part in.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import apsw

from hermes import Append, Change, StoreError
from hermes_plugin_sqlite import schema
from hermes_plugin_sqlite.changes import Indexed, apply
from hermes_plugin_sqlite.database import MEMORY, connect, named
from hermes_plugin_sqlite.text import split
from hermes_plugin_sqlite.worker import Worker, resolve

GROUP = 500
"""Most changes (each record counts) in one transaction, unless a single commit has more."""
CHECKPOINT_PAGES = 1000
LOG_PAGES = 16_000
"""At each multiple of this a checkpoint waits for readers for a moment, so that the WAL can start
anew. Not more often: it holds up every writer meanwhile."""

Outcome = tuple["asyncio.Future[None]", StoreError | Exception | None]


@dataclass(slots=True)
class Commit:
    """Changes that are made together or not at all."""

    changes: tuple[Change, ...]
    weight: int
    future: asyncio.Future[None]


class Writer(Worker):
    """Owns the writing connection. *clock* gives UTC microseconds."""

    def __init__(self, file: Path, clock: Callable[[], int]) -> None:
        super().__init__("hermes-sqlite-writer", self._prepare)
        self._file = file
        self._clock = clock
        self._held: Any = None
        self._pages = 0
        self._truncate_at = LOG_PAGES
        self.commits = 0
        """Transactions made durable."""

    def _prepare(self) -> apsw.Connection:
        with named(self._file):
            db = connect(self._file)
            try:
                schema.upgrade(db, self._file)
            except BaseException:
                db.close()
                raise
            db.set_wal_hook(self._committed)  # in place of the automatic checkpoint
            if self._file.parent == MEMORY:  # no log, so it calls nobody
                db.set_commit_hook(self._counted)
            return db

    def _committed(self, db: apsw.Connection, name: str, pages: int) -> int:
        """SQLite calls this after each transaction that wrote something."""
        self.commits += 1
        self._pages = pages
        return apsw.SQLITE_OK

    def _counted(self) -> bool:
        self.commits += 1
        return False  # True would undo it

    async def commit(self, changes: Sequence[Change]) -> None:
        """Make *changes* durable, all or none."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        weight = sum(len(change.records) if isinstance(change, Append) else 1 for change in changes)
        self._put(Commit(tuple(changes), weight, future))
        await future

    def _serve(self, db: apsw.Connection, job: Any) -> None:
        while job is not None:
            self._held = None
            if isinstance(job, Commit):
                resolve(self._write(db, self._gather(job)))
            else:
                super()._serve(db, job)
            self._checkpoint(db)
            job = self._held

    def _gather(self, first: Commit) -> list[Commit]:
        """Take what else waits, up to `GROUP`; keep what does not fit for the next round."""
        group, weight = [first], first.weight
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return group
            if isinstance(job, Commit) and weight + job.weight <= GROUP:
                group.append(job)
                weight += job.weight
                continue
            if job is None:
                self._jobs.put(None)  # asked to stop: after this group
            else:
                self._held = job
            return group

    def _write(self, db: apsw.Connection, group: list[Commit]) -> list[Outcome]:
        try:
            with named(self._file):
                db.execute("BEGIN IMMEDIATE")
        except StoreError as error:
            return [(commit.future, StoreError(str(error))) for commit in group]
        try:
            with named(self._file):
                return self._transaction(db, group)
        except Exception as error:  # noqa: BLE001 - whatever it was, somebody waits for it
            if db.in_transaction:
                db.execute("ROLLBACK")
            if len(group) == 1:
                return [(group[0].future, error)]
        # The whole group came to grief, by a full disk for one of them, say: each on its own.
        return [outcome for commit in group for outcome in self._write(db, [commit])]

    def _transaction(self, db: apsw.Connection, group: list[Commit]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        indexed: list[Indexed] = []
        schema.check_version(db, self._file)  # a newer program may have upgraded it meanwhile
        now = self._clock()
        for commit in group:
            db.execute("SAVEPOINT one")
            try:
                with named(self._file):
                    learnt = [each for change in commit.changes for each in apply(db, change, now)]
            except Exception as error:
                if not db.in_transaction:
                    raise  # SQLite gave up the whole transaction
                db.execute("ROLLBACK TO one")
                outcomes.append((commit.future, _plain(error)))
            else:
                indexed += learnt
                outcomes.append((commit.future, None))
            db.execute("RELEASE one")
        if indexed:
            db.executemany(
                "INSERT INTO words (rowid, text) VALUES (?, ?)",
                ((number, split(text)) for number, text in indexed),
            )
        db.execute("COMMIT")
        return outcomes

    def _checkpoint(self, db: apsw.Connection) -> None:
        """Move the log into the file, after those who waited have been told."""
        pages, self._pages = self._pages, 0
        if pages < CHECKPOINT_PAGES:
            return
        mode = None
        if pages < LOG_PAGES:
            self._truncate_at = LOG_PAGES
        elif pages >= self._truncate_at:
            self._truncate_at = pages + LOG_PAGES
            mode = apsw.SQLITE_CHECKPOINT_TRUNCATE
        with contextlib.suppress(apsw.Error):  # mere housekeeping; trouble shows at the next commit
            checkpoint(db, mode)


def checkpoint(db: apsw.Connection, mode: int | None = None, milliseconds: int = 50) -> bool:
    """Checkpoint, waiting at most so long for readers. Whether all of the log is in the file."""
    before = db.execute("PRAGMA busy_timeout").get
    db.set_busy_timeout(milliseconds)
    try:
        pages, moved = db.wal_checkpoint(
            mode=apsw.SQLITE_CHECKPOINT_PASSIVE if mode is None else mode
        )
        return pages == moved
    except apsw.BusyError:
        return False
    finally:
        db.set_busy_timeout(before)


def _plain(error: Exception) -> Exception:
    """Say a programmer's mistake in words that name the mend."""
    if isinstance(error, UnicodeEncodeError):
        return StoreError(f"text with a lone surrogate cannot be kept: clean it first ({error})")
    return error
