"""What is kept of output. Every `feed` is called in the thread that reads it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

IN_FLIGHT = 8
"""Chunks that may wait for the event loop before a command's output is held back."""


class Sink(Protocol):
    """Takes output as it is read."""

    def feed(self, data: bytes) -> None: ...


class Capture:
    """Output of a foreground command: all of it, or head and tail here and the whole in a file."""

    def __init__(self, keep: int, folder: Path, limit: int) -> None:
        """*keep* bytes stay in memory; a longer output goes to *folder*, up to *limit* bytes."""
        self._keep = max(keep, 2)
        self._half = self._keep // 2
        self._folder = folder
        self._limit = limit
        self._head = bytearray()
        self._tail = bytearray()
        self._over = False
        self._spool: BinaryIO | None = None
        self._written = 0
        self.total = 0
        self.file = ""

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        if self._over:
            self._write(data)
        elif self.total <= self._keep:
            self._head += data
            return
        else:
            self._over = True
            self._open()
            self._write(bytes(self._head) + data)
            data = bytes(self._head[self._half :]) + data
            del self._head[self._half :]
        missing = self._half - len(self._head)
        if missing > 0:
            self._head += data[:missing]
            data = data[missing:]
        self._tail += data[-self._half :]
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    def output(self) -> bytes:
        """All of it, or as many bytes from its beginning as from its end."""
        return bytes(self._head + self._tail[-self._half :] if self._over else self._head)

    def close(self) -> None:
        """Finish the file. What it lacks is said at its end."""
        if self._spool is None:
            return
        with contextlib.suppress(OSError), self._spool as spool:
            if self._written < self.total:
                said = f"\n[only the first {self._written} of {self.total} bytes are kept]\n"
                spool.write(said.encode())

    def _open(self) -> None:
        try:
            path = new_spool(self._folder)
            self._spool = path.open("r+b")
        except OSError:  # no disk must not end the command: head and tail are all there is then
            return
        self.file = str(path)

    def _write(self, data: bytes) -> None:
        if self._spool is None:
            return
        part = data[: max(0, self._limit - self._written)]
        try:
            self._spool.write(part)
        except OSError:
            self._limit = self._written
        else:
            self._written += len(part)


class Rolling:
    """The last *size* bytes of a background process's output."""

    def __init__(self, size: int = 200_000) -> None:
        self._size = size
        self._kept = bytearray()
        self._lock = threading.Lock()
        self._total = 0

    def feed(self, data: bytes) -> None:
        with self._lock:
            self._total += len(data)
            self._kept += data
            if len(self._kept) > 2 * self._size:
                del self._kept[: -self._size]

    def since(self, offset: int) -> tuple[bytes, int]:
        """Give what is kept from byte *offset* on, and the offset of what comes next."""
        with self._lock:
            first = self._total - min(len(self._kept), self._size)
            start = len(self._kept) - (self._total - max(offset, first))
            return bytes(self._kept[start:]), self._total


class Relay:
    """Hands output on to a listener in the event loop, and to another sink.

    A loop that is slower than the command slows the command down; nothing piles up in between.
    """

    def __init__(self, sink: Sink, listener: Callable[[bytes], None]) -> None:
        self._sink = sink
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._room = threading.BoundedSemaphore(IN_FLIGHT)
        self._closed = False

    def feed(self, data: bytes) -> None:
        self._sink.feed(data)
        while not self._closed:
            if self._room.acquire(timeout=0.5):
                try:
                    self._loop.call_soon_threadsafe(self._tell, data)
                except RuntimeError:  # the loop is closed
                    self._closed = True
                return

    def close(self) -> None:
        """Hand nothing more on."""
        self._closed = True

    def _tell(self, data: bytes) -> None:
        self._room.release()
        if not self._closed:
            self._listener(data)


def new_spool(folder: Path, prefix: str = "terminal") -> Path:
    """Make an empty file for output in *folder*, the person's only. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{prefix}-{uuid.uuid4().hex}"
    open(path, "xb", opener=_private).close()
    return path


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
