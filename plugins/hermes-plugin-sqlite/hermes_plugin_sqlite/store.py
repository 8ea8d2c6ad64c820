"""The `Store` that the offer names: asyncio in front, a writing and two reading threads behind."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import apsw

from hermes import (
    Change,
    Hit,
    Item,
    Lease,
    PluginContext,
    Record,
    SessionId,
    SessionInfo,
    SessionKey,
    Store,
    StoreError,
    StoreStats,
)
from hermes_plugin_sqlite import erase, reader, schema
from hermes_plugin_sqlite.database import (
    MEMORY,
    check_folder,
    check_library,
    connect,
    named,
    size,
)
from hermes_plugin_sqlite.search import Asked, relevance, search
from hermes_plugin_sqlite.worker import Reader, Worker
from hermes_plugin_sqlite.writer import Writer

T = TypeVar("T")

FILE = "journal.db"
"""In the home. Hermes Agent's own is ``state.db``, so both can live in one folder."""


_numbers = itertools.count(1)


def _now() -> int:
    return time.time_ns() // 1000


class SQLiteStore(Store):
    """The journal in ``journal.db`` of the home. *clock* gives UTC microseconds."""

    def __init__(self, context: PluginContext, *, clock: Callable[[], int] = _now) -> None:
        self._file = self._place(context)
        self._log = context.log
        self._clock = clock
        self._writer = Writer(self._file, clock)
        self._reader = Reader("hermes-sqlite-reader", self._connect)
        self._searcher = Worker("hermes-sqlite-search", self._connect)
        self._searching: asyncio.Task[None] | None = None
        self._scrubbing: asyncio.Task[None] | None = None

    def _place(self, context: PluginContext) -> Path:
        return context.paths.home / FILE

    async def open(self) -> None:
        """Open or make the file, and bring it up to this version.

        Raises StoreError for a library, a file system or a file that cannot be used; the file is
        then as it was.
        """
        check_library()
        check_folder(self._file.parent)
        await self._writer.start()
        try:
            await self._reader.start()
        except BaseException:
            await self._writer.stop()
            raise
        if await self._read(erase.is_due):
            self._scrubbing = asyncio.create_task(self._scrub())

    async def close(self) -> None:
        """Finish what was committed and let the file go."""
        scrubbing, self._scrubbing = self._scrubbing, None
        searching, self._searching = self._searching, None
        if scrubbing is not None:
            scrubbing.cancel()
        if searching is not None:
            await asyncio.wait([searching])
        for worker in (self._searcher, self._reader, self._writer):
            await worker.stop()

    def _connect(self) -> apsw.Connection:
        with named(self._file):
            db = connect(self._file, query_only=True)
            db.register_fts5_function("relevance", relevance)
            return db

    async def _read(self, function: Callable[[apsw.Connection], T]) -> T:
        with named(self._file):
            return await self._reader.call(function)

    async def _read_aside(self, function: Callable[[apsw.Connection], T]) -> T:
        """Read what may take a while, so that opening a conversation does not wait behind it."""
        if self._searching is None:
            self._searching = asyncio.create_task(self._searcher.start())
        try:
            await asyncio.shield(self._searching)
        except StoreError:
            self._searching = None  # try again next time
            raise
        with named(self._file):
            return await self._searcher.call(function)

    async def commit(self, changes: Sequence[Change]) -> None:
        if changes:
            await self._writer.commit(changes)

    async def records(
        self, session: SessionId, after: int = 0, limit: int | None = None
    ) -> list[Record]:
        return await self._read(lambda db: reader.records(db, session, after, limit))

    async def session(self, session: SessionId) -> SessionInfo | None:
        return await self._read(lambda db: reader.session(db, session))

    async def sessions(
        self,
        *,
        person: str | None = None,
        surface: str | None = None,
        open_turns: bool = False,
        before: int | None = None,
        limit: int = 100,
    ) -> list[SessionInfo]:
        return await self._read(
            lambda db: reader.sessions(db, person, surface, open_turns, before, limit)
        )

    async def find(self, text: str, *, person: str | None = None) -> list[SessionInfo]:
        return await self._read(lambda db: reader.find(db, text, person))

    async def bound(self, key: SessionKey) -> SessionId | None:
        return await self._read(lambda db: reader.bound(db, key))

    async def keys(self, session: SessionId) -> tuple[SessionKey, ...]:
        return await self._read(lambda db: reader.keys(db, session))

    async def pending(
        self, queue: str, limit: int | None = None, keys: Sequence[str] | None = None
    ) -> list[Item]:
        return await self._read(lambda db: reader.pending(db, queue, limit, keys))

    async def state(
        self, scope: Literal["process", "session", "person"], of: str, name: str
    ) -> bytes | None:
        return await self._read(lambda db: reader.state(db, scope, of, name, self._clock()))

    async def lease(self, name: str) -> Lease | None:
        return await self._read(lambda db: reader.lease(db, name, self._clock()))

    async def erase(self, sessions: Sequence[SessionId], why: str) -> int:
        blanked = await self._writer.call(
            lambda db: erase.forget(db, self._file, sessions, why, self._clock())
        )
        await self._scrub()
        return blanked

    async def erase_text(
        self, text: str, why: str, *, person: str | None = None
    ) -> list[SessionId]:
        touched = await self._writer.call(
            lambda db: erase.forget_text(db, self._file, text, why, person, self._clock())
        )
        await self._scrub()
        return touched

    async def _scrub(self) -> None:
        """Take the bytes of what was forgotten off the disk; other commits go on in between."""
        try:
            with named(self._file):
                more = await self._writer.call(partial(erase.merge, first=True))
                while more:
                    more = await self._writer.call(partial(erase.merge, first=False))
                await self._writer.call(erase.rewrite)
                for _ in range(5):
                    if await self._writer.call(erase.finish):
                        return
            reason = "another process reads an older state"
        except StoreError as error:
            reason = str(error)
        self._log.warning(
            "forgotten, but traces stay in the journal's file until it is opened again",
            file=str(self._file),
            reason=reason,
        )

    async def stats(self) -> StoreStats:
        sessions, records = await self._read(reader.counts)
        return StoreStats(
            sessions,
            records,
            size(self._file) or await self._read(reader.size),
            await self._read(schema.version),
            f"SQLite {apsw.sqlite_lib_version()}, apsw {apsw.apsw_version()}",
            self._writer.commits,
        )

    async def search(
        self,
        query: str,
        *,
        person: str | None = None,
        session: SessionId | None = None,
        roles: Sequence[str] = ("user", "assistant"),
        limit: int = 20,
        before: int | None = None,
        order: Literal["newest", "oldest"] = "newest",
    ) -> list[Hit]:
        """Find records by words (all wanted), "a phrase", begin*, OR and NOT.

        The 2,000 newest (or oldest) hits are ranked; ranked last to first stay what they are for a
        caller that pages by *before*.
        """
        asked = Asked(query, person, session, tuple(roles), limit, before, order == "newest")
        return await self._read_aside(lambda db: search(db, asked))

    async def check(self) -> list[str]:
        return await self._read_aside(reader.damage)


class IncognitoStore(SQLiteStore):
    """A journal in this process's memory, and nowhere else: gone with the process."""

    def _place(self, context: PluginContext) -> Path:
        return MEMORY / f"journal-{next(_numbers)}"
