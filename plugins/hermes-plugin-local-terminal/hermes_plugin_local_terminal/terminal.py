"""The terminal of one scope on this machine."""

from __future__ import annotations

import asyncio
import os

from hermes import FileInfo
from hermes_plugin_local_terminal import files
from hermes_plugin_local_terminal.bash import BashTerminal


class LocalTerminal(BashTerminal):
    """Commands and files of one scope, as the person who started Hermes."""

    backend = "local"

    async def resolve(self, path: str) -> str:
        with files.said(path):
            return await asyncio.to_thread(os.path.realpath, self._absolute(path))

    async def read(self, path: str, offset: int = 0, limit: int | None = None) -> bytes:
        return await asyncio.to_thread(files.read, self._absolute(path), offset, limit)

    async def write(self, path: str, data: bytes) -> None:
        await asyncio.to_thread(files.write, self._absolute(path), data)

    async def stat(self, path: str) -> FileInfo:
        return await asyncio.to_thread(files.stat, self._absolute(path))

    async def list(self, path: str) -> tuple[FileInfo, ...]:
        return await asyncio.to_thread(files.entries, self._absolute(path))

    def _absolute(self, path: str) -> str:
        if path == "~" or path.startswith("~/"):
            path = os.path.expanduser(path)  # noqa: PTH111 - a Path would lose a trailing slash
        return os.path.join(self.state.directory, path)  # noqa: PTH118
