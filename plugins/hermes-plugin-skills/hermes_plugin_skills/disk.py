"""Changing what lies in the skills folder so that nobody ever sees half of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T")


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the one lock of the skills folder *root* among all processes. Blocks."""
    hub = root / ".hub"
    hub.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(hub / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write(file: Path, data: bytes, *, executable: bool = False) -> None:
    """Put *data* in the place of *file* in one step, durably."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        mode = 0o700 if executable else 0o600
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync(file.parent)


def sync(folder: Path) -> None:
    """Make what was renamed in *folder* durable, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def move(old: Path, new: Path) -> None:
    """Rename a folder, durably."""
    new.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    old.rename(new)
    sync(new.parent)
    sync(old.parent)


def copy(old: Path, new: Path) -> None:
    """Copy a skill's folder: regular files only, no links, nothing hidden but what is ours."""
    shutil.rmtree(new, ignore_errors=True)
    for name in files(old):
        source = old / name
        write(new / name, source.read_bytes(), executable=os.access(source, os.X_OK))


def files(folder: Path) -> list[str]:
    """List every regular file beneath *folder* but those of Python's cache and of version control;
    links are left out.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if any(part in ("__pycache__", ".git") for part in inside.parts):
            continue
        if path.is_file() and not path.is_symlink():
            found.append(inside.as_posix())
    return found


def digests(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of each file of a skill."""
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files(folder)
    }


def digest(hashes: dict[str, str]) -> str:
    """Give one hash for all files of a skill."""
    return hashlib.sha256(manifest(hashes)).hexdigest()


def manifest(hashes: dict[str, str]) -> bytes:
    """Write hashes as ``sha256sum`` does; this is what a signature is over."""
    return "".join(f"{each}  {name}\n" for name, each in sorted(hashes.items())).encode()


def load(file: Path, kind: type[T], default: T) -> T:
    """Read a JSON file; *default* where there is none. Raises ValueError for a damaged one."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError:
        return default


def save(file: Path, value: Any) -> None:
    """Write a JSON file that a person can read."""
    write(file, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
