"""Change a small file of the home so that nobody ever sees half of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def locked_file(file: Path) -> Iterator[None]:
    """Hold the lock of *file* among Hermes's processes (``.<name>.lock`` beside it)."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(
        file.with_name(f".{file.name}.lock".replace("..", ".")), os.O_CREAT | os.O_RDWR, 0o600
    )
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def replace_file(file: Path, text: str, *, mode: int | None = None) -> None:
    """Put *text* in the place of the file in one step, durably, keeping its mode, owner and link.

    *mode* is for a file that is new; where it is given, it is also the most that the file keeps.
    """
    file = Path(os.path.realpath(file))
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        about = file.stat()
        mode = about.st_mode & 0o7777 & (mode if mode is not None else 0o7777)
    except FileNotFoundError:
        about = None
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.chmod(0o600 if mode is None else mode)
        if about is not None and hasattr(os, "chown"):
            with contextlib.suppress(OSError):
                os.chown(new, about.st_uid, about.st_gid)
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
