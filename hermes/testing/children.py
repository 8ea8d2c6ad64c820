"""Child processes that are really marked, found and killed, without a host's registry."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid

from hermes.context import Children
from hermes.testing import processes

MARK = "HERMES_CHILD"
"""Variable in the environment of every child, and so of everything that it starts."""
SAFE = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TERM", "TMPDIR")


class RealChildren(Children):
    """Marks by environment and kills whole trees by the mark, as the runtime's does.

    It keeps no record on disk: reaping after a crash is the runtime's own and tested there.
    """

    def __init__(self) -> None:
        self.marked: dict[str, str] = {}
        """Token to what it is, of children not yet killed or forgotten."""
        self.handles: dict[str, tuple[str, str]] = {}
        """Token to backend and handle, of those that run elsewhere."""

    def mark(self, env: dict[str, str], *, what: str, owner: str = "", keep: bool = False) -> str:
        token = uuid.uuid4().hex
        env[MARK] = token
        self.marked[token] = what
        return token

    def remote(
        self, backend: str, handle: str, *, what: str, owner: str = "", keep: bool = False
    ) -> str:
        token = uuid.uuid4().hex
        self.marked[token] = what
        self.handles[token] = (backend, handle)
        return token

    async def kill(self, *tokens: str, grace: float = 2.0) -> None:
        def alive() -> list[int]:
            return [pid for token in tokens for pid in self.alive(token)]

        processes.kill(alive(), signal.SIGTERM)
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        while alive() and loop.time() < until:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.02)
        while pids := alive():  # again: a tree that forks may have grown meanwhile
            processes.kill(pids)
            await asyncio.sleep(0.01)
        for token in tokens:
            self.forget(token)

    def alive(self, token: str) -> tuple[int, ...]:
        wanted = f"\0{MARK}={token}\0"
        return tuple(
            process.pid
            for process in processes.processes()
            if process.state != "Z" and wanted in f"\0{processes.environment(process.pid)}\0"
        )

    def forget(self, token: str) -> None:
        self.marked.pop(token, None)
        self.handles.pop(token, None)

    def allowlist(self, *more: str) -> dict[str, str]:
        named = {*SAFE, *more}
        return {k: v for k, v in os.environ.items() if k in named or k.startswith("LC_")}
