"""A terminal that runs nothing: papers in memory, for an agent that only reads and writes."""

from __future__ import annotations

import posixpath

from hermes import (
    CommandResult,
    FileInfo,
    Output,
    PluginContext,
    Terminal,
    TerminalBackend,
    TerminalError,
    TerminalSpec,
    TerminalState,
)


class Papers(TerminalBackend):
    """One set of papers for each scope."""

    isolated = True

    def __init__(self, context: PluginContext) -> None:
        self._kept: dict[str, dict[str, bytes]] = {}

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        return Desk(self._kept.setdefault(spec.scope, {}))


class Desk(Terminal):
    """Files alone: the five operations, and a `run` that says no."""

    backend = "papers"

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files
        self.state = TerminalState("/papers")

    async def run(
        self,
        command: str,
        *,
        state: TerminalState | None = None,
        timeout: float = 180.0,  # noqa: ASYNC109
        stdin: bytes = b"",
        output: Output | None = None,
        keep: int = 65_536,
    ) -> CommandResult:
        raise TerminalError("papers: there is nothing here that runs commands")

    async def resolve(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self.state.directory, path))

    async def read(self, path: str, offset: int = 0, limit: int | None = None) -> bytes:
        whole = self._files.get(await self.resolve(path))
        if whole is None:
            raise TerminalError(f"{path}: No such file or directory")
        return whole[offset:] if limit is None else whole[offset : offset + limit]

    async def write(self, path: str, data: bytes) -> None:
        self._files[await self.resolve(path)] = data

    async def stat(self, path: str) -> FileInfo:
        full = await self.resolve(path)
        if full in self._files:
            return FileInfo(full, "file", len(self._files[full]))
        if full == "/papers" or any(name.startswith(f"{full}/") for name in self._files):
            return FileInfo(full, "directory")
        raise TerminalError(f"{path}: No such file or directory")

    async def list(self, path: str) -> tuple[FileInfo, ...]:
        full = (await self.resolve(path)).rstrip("/")
        names = {
            f"{full}/{name[len(full) + 1 :].partition('/')[0]}"
            for name in self._files
            if name.startswith(f"{full}/")
        }
        return tuple([await self.stat(name) for name in sorted(names)])
