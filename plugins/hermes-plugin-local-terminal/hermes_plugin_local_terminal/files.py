"""File operations with plain system calls. All of them block: the terminal uses a thread."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat as modes
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from hermes import FileInfo, TerminalError


@contextlib.contextmanager
def said(path: str) -> Iterator[None]:
    """Turn an OSError into a `TerminalError` that names the path as it was given."""
    try:
        yield
    except OSError as error:
        raise TerminalError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:  # a NUL byte in the path
        raise TerminalError(f"{path!r}: {error}") from None


def read(path: str, offset: int, limit: int | None) -> bytes:
    """Read from a regular file; a pipe or a device could block for ever or never end."""
    with said(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            mode = os.fstat(descriptor).st_mode
            if modes.S_ISDIR(mode):
                raise TerminalError(f"{path}: Is a directory")
            if not modes.S_ISREG(mode):
                raise TerminalError(f"{path}: Not a regular file")
            file.seek(offset)
            if limit is None:
                return file.readall()
            parts = []
            while limit > 0 and (part := file.read(limit)):
                parts.append(part)
                limit -= len(part)
            return b"".join(parts)


def write(path: str, data: bytes) -> None:
    """Put a finished file in the place of the old one. A link stays and its target changes."""
    with said(path):
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = _mode(target)
        temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                if mode is not None:
                    _keep_owner(descriptor, target)
                    os.fchmod(descriptor, mode)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def stat(path: str) -> FileInfo:
    with said(path):
        found = Path(path).stat()
        return FileInfo(path, _kind(found.st_mode), found.st_size, found.st_mtime)


def entries(path: str) -> tuple[FileInfo, ...]:
    with said(path):
        found = []
        with os.scandir(path) as folder:
            for entry in folder:
                info = entry.stat(follow_symlinks=False)
                name = f"{path.rstrip('/')}/{entry.name}"
                found.append(FileInfo(name, _kind(info.st_mode), info.st_size, info.st_mtime))
        return tuple(sorted(found, key=lambda info: info.path))


def _mode(target: Path) -> int | None:
    """Permissions of what is there, None for nothing. Only a regular file may be replaced."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return None
    if not modes.S_ISREG(found.st_mode):
        kind = "Is a directory" if modes.S_ISDIR(found.st_mode) else "Not a regular file"
        raise TerminalError(f"{target}: {kind}")
    if not os.access(target, os.W_OK):
        raise TerminalError(f"{target}: Permission denied")
    return modes.S_IMODE(found.st_mode)


def _keep_owner(descriptor: int, target: Path) -> None:
    """Give the new file the old one's owner where that is allowed (root edits a person's file)."""
    found = target.stat()
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, found.st_uid, found.st_gid)


def _kind(mode: int) -> Literal["file", "directory", "other"]:
    if modes.S_ISREG(mode):
        return "file"
    return "directory" if modes.S_ISDIR(mode) else "other"
