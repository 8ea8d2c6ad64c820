"""What is kept of output. Everything here is called in the event loop and never waits."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path
from typing import BinaryIO


class Capture:
    """Output of a foreground command: all of it, or head and tail here and the whole in a file.

    The file is Hermes's own (``output:ID`` reads it on every backend): a long output fills no disk
    at the other end, and outlives the sandbox.
    """

    def __init__(self, keep: int, folder: Path, limit: int) -> None:
        """*keep* bytes stay in memory; a longer output goes to *folder*, up to *limit* bytes."""
        self._keep = max(keep, 2)
        self._half = self._keep // 2
        self._folder = folder
        self._left = limit
        self._head = bytearray()
        self._tail = bytearray()
        self._over = False
        self._spool: BinaryIO | None = None
        self.total = 0
        self.file = ""

    def feed(self, data: bytes) -> None:
        self.total += len(data)
        if not self._over and self.total <= self._keep:
            self._head += data
            return
        if not self._over:
            self._over = True
            self._open()
            self._write(bytes(self._head))
            rest = bytes(self._head[self._half :])
            del self._head[self._half :]
            self._write(data)
            data = rest + data
        else:
            self._write(data)
        if (missing := self._half - len(self._head)) > 0:
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
            if (written := spool.tell()) < self.total:
                spool.write(f"\n[only {written} of {self.total} bytes are kept]\n".encode())

    def _open(self) -> None:
        path = self._folder / f"terminal-{uuid.uuid4().hex}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._spool = open(path, "xb", opener=_private)  # noqa: SIM115
        except OSError:  # no disk must not end the command: head and tail are all there is then
            return
        self.file = str(path)

    def _write(self, data: bytes) -> None:
        if self._spool is None:
            return
        part = data[: self._left]
        try:
            self._spool.write(part)
        except OSError:
            self._left = 0
        else:
            self._left -= len(part)


class Rolling:
    """The last *size* bytes of a background process's output."""

    def __init__(self, size: int = 200_000) -> None:
        self._size = size
        self._kept = bytearray()
        self._total = 0

    def feed(self, data: bytes) -> None:
        self._total += len(data)
        self._kept += data
        if len(self._kept) > 2 * self._size:
            del self._kept[: -self._size]

    def since(self, offset: int) -> tuple[bytes, int]:
        """Give what is kept from byte *offset* on, and the offset of what comes next."""
        first = self._total - min(len(self._kept), self._size)
        start = len(self._kept) - (self._total - max(offset, first))
        return bytes(self._kept[max(start, 0) :]), self._total


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
