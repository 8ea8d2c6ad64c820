"""A bash in a sandbox, by `Sandbox.exec`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from modal.container_process import ContainerProcess
from modal.exception import Error

from hermes import TerminalError
from hermes_plugin_remote.channel import Channel, LostError

CHUNK = 1_000_000
"""Bytes that are written at once: the SDK holds two megabytes."""
LATE = 10.0
"""Seconds that the exit code may come after the end of the output."""


class ExecChannel(Channel):
    """A process in a sandbox. The SDK itself takes up streams that break."""

    def __init__(
        self, feed: Callable[[bytes], None], process: ContainerProcess[bytes], place: str
    ) -> None:
        super().__init__(feed)
        self._process = process
        self._place = place
        self._reading = asyncio.create_task(self._read())
        self._waiting = asyncio.create_task(self._wait())

    async def write(self, data: bytes) -> None:
        if self.exit.done():
            raise TerminalError(f"{self._place}: it takes no more input")
        try:
            for start in range(0, len(data), CHUNK):
                self._process.stdin.write(data[start : start + CHUNK])
                await self._process.stdin.drain.aio()
        except (Error, OSError, ValueError, EOFError) as error:
            raise TerminalError(f"{self._place}: it takes no more input ({error})") from None

    async def end_input(self) -> None:
        try:
            self._process.stdin.write_eof()
            await self._process.stdin.drain.aio()
        except (Error, OSError, ValueError) as error:
            raise TerminalError(f"{self._place}: {error}") from None

    def close(self) -> None:
        self._reading.cancel()
        self._waiting.cancel()

    async def _read(self) -> None:
        try:
            async for data in self._process.stdout:
                self.fed(data)
        except (Error, OSError) as error:
            self._gone(error)
            return
        self.eof()
        await asyncio.sleep(LATE)
        self._gone("no exit code")

    async def _wait(self) -> None:
        try:
            code = await self._process.wait.aio()
        except (Error, OSError) as error:
            self._gone(error)
        else:
            self.exited(code)
            if code < 0:
                self._gone("no exit code")

    def _gone(self, why: object) -> None:
        self.lost(LostError(f"{self._place}: the sandbox is out of reach ({why})"))
