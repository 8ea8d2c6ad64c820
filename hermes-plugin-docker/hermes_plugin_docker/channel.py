"""One command's bash in a container: an exec of the daemon's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import aiohttp
from aiodocker.exceptions import DockerError
from aiodocker.execs import Exec
from aiodocker.stream import Stream

from hermes import TerminalError
from hermes_plugin_remote.channel import Channel, LostError

ENDED = 137
"""Exit code of a command that ended with its container."""


class ExecChannel(Channel):
    """Both of its streams, its input, and how it ended."""

    def __init__(self, feed: Callable[[bytes], None], execution: Exec, place: str) -> None:
        super().__init__(feed)
        self._exec = execution
        self._place = place
        self._stream: Stream = execution.start(detach=False)
        self._reading: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Start it. Raises DockerError or an error of the connection."""
        await self._stream._init()
        self._reading = asyncio.get_running_loop().create_task(self._read())

    async def write(self, data: bytes) -> None:
        if self.exit.done():
            raise TerminalError("it takes no more input")
        try:
            await self._stream.write_in(data)
        except (RuntimeError, AssertionError, OSError, aiohttp.ClientError):
            raise TerminalError("it takes no more input") from None

    async def end_input(self) -> None:
        transport = self._transport()
        if transport is not None and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()

    def close(self) -> None:
        if (transport := self._transport()) is not None:
            transport.close()
        if self._reading is not None and self.exit.done():
            self._reading.cancel()

    def _transport(self) -> Any:
        response = self._stream._resp
        connection = response.connection if response is not None else None
        return connection.transport if connection is not None else None

    async def _read(self) -> None:
        try:
            while (message := await self._stream.read_out()) is not None:
                self.fed(message.data)
            self.eof()
            self.exited(await self._code())
        except (DockerError, aiohttp.ClientError, OSError) as error:
            said = f"{self._place}: the connection to the daemon was lost ({error})"
            self.lost(LostError(said))
        finally:
            with contextlib.suppress(AssertionError):
                await self._stream.close()

    async def _code(self) -> int:
        """Ask how it ended; the daemon may need a moment to know."""
        for pause in (0.0, 0.01, 0.05, 0.2, 0.5, 1.0):
            await asyncio.sleep(pause)
            told = await self._exec.inspect()
            if not told["Running"] and told["ExitCode"] is not None:
                return int(told["ExitCode"])
        return ENDED
