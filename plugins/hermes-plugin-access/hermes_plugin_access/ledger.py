"""A small JSON file that several processes read and change: the gateway, and ``hermes pairing``.

It lies in the plugin's data folder, which file tools refuse on every backend, and only its owner
can read it. A change is made under a lock and replaces the whole file at once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from hermes import HermesError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T", bound=msgspec.Struct)


class Ledger(Generic[T]):
    """The file, read as *kind*. What is not there reads as ``kind()``."""

    def __init__(self, file: Path, kind: type[T]) -> None:
        self.file = file
        self._kind = kind
        self._seen: tuple[int, int, int] | None = None
        self._kept = kind()

    def read(self) -> T:
        """Give what it holds, to look at. Costs a `stat` where nothing changed.

        Raises HermesError for a file that cannot be understood, which is then not written either.
        """
        try:
            about = self.file.stat()
        except FileNotFoundError:
            self._seen, self._kept = None, self._kind()
            return self._kept
        seen = (about.st_ino, about.st_mtime_ns, about.st_size)
        if seen != self._seen:
            self._kept, self._seen = self._load(), seen
        return self._kept

    @contextlib.contextmanager
    def change(self) -> Iterator[T]:
        """Give what it holds, to change; it is written when the block ends, however it ends."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.file.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX)
            held = self._load() if self.file.exists() else self._kind()
            before = msgspec.json.encode(held)
            try:
                yield held
            finally:
                if msgspec.json.encode(held) != before:
                    self._write(held)
        finally:
            os.close(handle)

    def _load(self) -> T:
        try:
            return msgspec.json.decode(self.file.read_bytes(), type=self._kind)
        except (OSError, msgspec.MsgspecError) as error:
            raise HermesError(
                f"{self.file} cannot be read ({error}): mend it, or move it away to begin anew"
            ) from None

    def _write(self, held: T) -> None:
        new = self.file.with_suffix(".new")
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(held), indent=2) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self.file)
