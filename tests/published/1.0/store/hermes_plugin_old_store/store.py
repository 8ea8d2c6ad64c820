"""The journal in a file of lines, one for each commit.

What a store must do is the same wherever it keeps things, and `MemoryStore` of the kit does all of
it. This one adds the disk: what succeeds in memory is in the file before the commit returns, and
what another process wrote is read before anything is looked at.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from hermes import Change, PluginContext, SessionId, StoreError
from hermes.testing import MemoryDisk, MemoryStore

from hermes_plugin_old_store.lines import Line, changes, kept, read, without, written


def make(context: PluginContext) -> LineStore:
    """Make the store of a home."""
    return LineStore(context.paths.data / "journal.jsonl")


class LineStore(MemoryStore):
    """A `MemoryStore` whose disk is a file that several processes may share."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._turn = asyncio.Lock()
        self._inode = self._read = 0
        self._at = 0.0
        super().__init__(clock=lambda: self._at or time.time())

    async def open(self) -> None:
        self._file.touch(mode=0o600)
        await asyncio.to_thread(self._catch_up)

    @property
    def disk(self) -> MemoryDisk:
        """What is kept. Every read begins here: another process may have written meanwhile."""
        if not self._at:
            self._catch_up()
        return self._disk

    @disk.setter
    def disk(self, disk: MemoryDisk) -> None:
        self._disk = disk

    async def commit(self, changes: Sequence[Change]) -> None:
        # Shielded: whoever waits may go, but what is half written is written to its end.
        await asyncio.shield(asyncio.ensure_future(self._commit(changes)))

    async def _commit(self, changes: Sequence[Change]) -> None:
        async with self._alone() as file:
            self.apply(changes)
            await self._keep(file, Line(self._at, kept(changes)))

    async def erase(self, sessions: Sequence[SessionId], why: str) -> int:
        """Forget in memory, then write the file anew: nothing that is forgotten stays in it."""
        async with self._alone():
            count = self.blank(sessions, why)
            line = Line(self._at, forgotten=tuple(sessions), why=why)
            await asyncio.to_thread(self._rewrite, line)
        return count

    def _rewrite(self, last: Line) -> None:
        new = self._file.with_suffix(".new")
        with self._file.open("rb") as old, new.open("wb") as file:
            for raw in old.read(self._read).splitlines():
                file.write(written(without(read(raw), last, self._settled)))
            append(file, file.tell(), written(last))
        self._inode, self._read = new.stat().st_ino, new.stat().st_size
        new.replace(self._file)

    def _settled(self, queue: str, key: str) -> bool:
        """Whether an item of a queue has ended: then only its key is kept."""
        entry = self._disk.queues.get(queue, {}).get(key)
        return entry is not None and bool(entry.end)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[BinaryIO]:
        """Give the file, with everything read that is in it, and nobody else writing."""
        async with self._turn:
            with await asyncio.to_thread(locked, self._file) as file:
                self._catch_up()
                self._at = time.time()
                try:
                    yield file
                finally:
                    self._at = 0.0

    async def _keep(self, file: BinaryIO, line: Line) -> None:
        """Write the line; where that fails, take back from memory what the disk does not have."""
        data = written(line)
        try:
            await asyncio.to_thread(append, file, self._read, data)
        except OSError as error:
            self._inode = 0
            raise StoreError(f"{self._file}: {error.strerror or error}") from None
        self._read += len(data)

    def _catch_up(self) -> None:
        """Read what was written since the last time, or all of a file that was written anew."""
        about = self._file.stat()
        if about.st_ino != self._inode:
            self._inode, self._read, self._disk = about.st_ino, 0, MemoryDisk()
        if about.st_size == self._read:
            return
        with self._file.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        for raw in data.splitlines(keepends=True):
            if not raw.endswith(b"\n"):  # somebody writes it now, or died of it
                return
            line = read(raw)
            self._at = line.time
            try:
                self.apply(changes(line))
                self.blank(line.forgotten, line.why)
            finally:
                self._at = 0.0
            self._read += len(raw)


def locked(file: Path) -> BinaryIO:
    """Open *file* with nobody else writing, even if it was replaced while we waited."""
    while True:
        opened = file.open("r+b")
        fcntl.flock(opened, fcntl.LOCK_EX)
        if os.fstat(opened.fileno()).st_ino == file.stat().st_ino:
            return opened
        opened.close()


def append(file: BinaryIO, end: int, data: bytes) -> None:
    """Put *data* behind the last whole line, and see it onto the disk."""
    file.truncate(end)
    file.seek(end)
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
