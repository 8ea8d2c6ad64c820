"""A background process of the local terminal."""

from __future__ import annotations

import asyncio
import os
import time
from typing import IO

from hermes import Process, TerminalError
from hermes_plugin_local_terminal.capture import Rolling
from hermes_plugin_local_terminal.child import Child


class LocalProcess(Process):
    """One command in the background, with a pipe to its standard input."""

    def __init__(
        self, id: str, command: str, child: Child, kept: Rolling, stdin: IO[bytes]
    ) -> None:
        self.id = id
        self.command = command
        self.started = time.time()
        self._child = child
        self._kept = kept
        self._stdin = stdin
        self._writing = asyncio.Lock()
        os.set_blocking(stdin.fileno(), False)
        child.done.add_done_callback(self._ended)

    @property
    def exit_code(self) -> int | None:
        return self._child.exit_code

    async def wait(self, timeout: float | None = None) -> int | None:  # noqa: ASYNC109
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._child.done)
        except TimeoutError:
            return None
        return self._child.reap()

    def output(self, offset: int = 0) -> tuple[bytes, int]:
        return self._kept.since(offset)

    async def write(self, data: bytes, *, end: bool = False) -> None:
        """Raise `TerminalError` when it has ended or closed its input."""
        async with self._writing:
            try:
                await self._write(data)
            except (BrokenPipeError, ValueError):
                raise TerminalError(f"{self.id} takes no more input") from None
            if end:
                self._stdin.close()

    async def kill(self) -> None:
        await self._child.kill()

    async def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._stdin.fileno(), left) :]
            except BlockingIOError:
                await self._writable()

    async def _writable(self) -> None:
        """Wait until its input takes more, or it has ended."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        descriptor = self._stdin.fileno()
        loop.add_writer(descriptor, ready.set)
        self._child.done.add_done_callback(lambda _: ready.set())
        try:
            await ready.wait()
        finally:
            loop.remove_writer(descriptor)
        if self._child.done.done():
            raise BrokenPipeError

    def _ended(self, _: asyncio.Future[None]) -> None:
        self._child.reap()
        if not self._writing.locked():
            self._stdin.close()
