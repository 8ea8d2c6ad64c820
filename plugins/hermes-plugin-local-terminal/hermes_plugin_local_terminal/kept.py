"""A background process that outlives its terminal, and Hermes."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hermes import Children, Process, TerminalError

SHOWN = 200_000
"""Bytes of its output that `output` gives at most."""


class KeptProcess(Process):
    """Writes to a file, reads nothing, and is reaped by a thread that ends with Hermes."""

    keep = True

    def __init__(
        self,
        command: str,
        arguments: Sequence[str],
        env: Mapping[str, str],
        directory: str,
        log: Path,
    ) -> None:
        """Spawn it. Raises OSError."""
        self.id = f"k{uuid.uuid4().hex[:8]}"
        self.command = command
        self.log = log
        with log.open("ab") as writing:
            self._popen = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                cwd=directory,
                env=dict(env),
                start_new_session=True,
            )
        self.started = time.time()
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()

    def bind(
        self, token: str, children: Children, ended: Callable[[asyncio.Future[None]], object]
    ) -> None:
        """Say how it is found and whom to tell when it has ended; watch it from now on."""
        self._token, self._children = token, children
        self._done.add_done_callback(ended)
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def exit_code(self) -> int | None:
        code = self._popen.returncode
        return None if code is None else 128 - code if code < 0 else code

    async def wait(self, timeout: float | None = None) -> int | None:  # noqa: ASYNC109
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._done)
        except TimeoutError:
            return None
        return self.exit_code

    def output(self, offset: int = 0) -> tuple[bytes, int]:
        with self.log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(min(offset, size), size - SHOWN))
            data = file.read(SHOWN)
            return data, file.tell()

    async def write(self, data: bytes, *, end: bool = False) -> None:
        raise TerminalError(f"{self.id} takes no input: it was started to be kept")

    async def kill(self) -> None:
        await self._children.kill(self._token)
        await asyncio.shield(self._done)

    def _watch(self) -> None:
        self._popen.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)
