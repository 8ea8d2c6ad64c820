"""Where bytes come from: a file of the terminal, or an output that Hermes kept (``output:ID``)."""

from __future__ import annotations

import asyncio
import difflib
import os
import posixpath
import re
import stat
from pathlib import Path

from hermes import FileInfo, NotFound, Terminal, TerminalError

PREFIX = "output:"
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


class Source:
    """A file that is read in parts."""

    def __init__(self, size: int) -> None:
        self.size = size

    async def read(self, offset: int, limit: int) -> bytes:
        raise NotImplementedError


class TerminalFile(Source):
    """A regular file of the terminal."""

    def __init__(self, terminal: Terminal, info: FileInfo) -> None:
        super().__init__(info.size)
        self.info = info
        self._terminal = terminal

    async def read(self, offset: int, limit: int) -> bytes:
        return await self._terminal.read(self.info.path, offset, limit)


class KeptOutput(Source):
    """A tool output that was kept whole in Hermes's home, whatever the backend is."""

    def __init__(self, folder: Path, address: str) -> None:
        """Raise `NotFound` for what is no address or not there."""
        id = address.removeprefix(PREFIX)
        self._path = folder / id
        try:
            if not _ID.fullmatch(id):
                raise OSError
            found = self._path.lstat()
            if not stat.S_ISREG(found.st_mode):  # a link could lead anywhere
                raise OSError
        except OSError:
            raise NotFound(f"there is no kept output {address}") from None
        super().__init__(found.st_size)

    async def read(self, offset: int, limit: int) -> bytes:
        return await asyncio.to_thread(self._read, offset, limit)

    def _read(self, offset: int, limit: int) -> bytes:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            file.seek(offset)
            return file.read(limit)


async def regular_file(terminal: Terminal, path: str, asked: str) -> FileInfo:
    """Describe the regular file at *path*. Raise an error that helps on for anything else."""
    try:
        info = await terminal.stat(path)
    except TerminalError as error:
        raise NotFound(f"{asked}: {error}{await _similar(terminal, path)}") from None
    if info.kind == "directory":
        raise TerminalError(f"{asked} is a folder; search_files with target=files lists it")
    if info.kind == "other":
        raise TerminalError(f"{asked} is a device, pipe or socket, not a file")
    return info


async def _similar(terminal: Terminal, path: str) -> str:
    folder, name = posixpath.split(path)
    try:
        names = [posixpath.basename(entry.path) for entry in await terminal.list(folder)]
    except TerminalError:
        return ""
    lower = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), lower, 3, 0.6)
    return f". Similar there: {', '.join(lower[each] for each in near)}" if near else ""
