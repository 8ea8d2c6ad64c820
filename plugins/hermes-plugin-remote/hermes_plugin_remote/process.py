"""A background process at the other end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from hermes import Process, TerminalError
from hermes_plugin_remote.channel import Channel, LostError
from hermes_plugin_remote.streams import Rolling

LOST = 255
"""Exit code of a process whose machine is gone: as ssh has it."""


class RemoteProcess(Process):
    """One command in the background. It ends with its terminal, or when the other end is lost."""

    def __init__(
        self,
        id: str,
        command: str,
        channel: Channel,
        kept: Rolling,
        kill: Callable[[], Awaitable[None]],
    ) -> None:
        self.id = id
        self.command = command
        self.started = time.time()
        self._channel = channel
        self._kept = kept
        self._kill = kill
        self._code: int | None = None
        self._open = True
        self.done = asyncio.get_running_loop().create_task(self._follow())

    @property
    def exit_code(self) -> int | None:
        return self._code

    async def wait(self, timeout: float | None = None) -> int | None:  # noqa: ASYNC109
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self.done)
        except TimeoutError:
            return None
        return self._code

    def output(self, offset: int = 0) -> tuple[bytes, int]:
        return self._kept.since(offset)

    async def write(self, data: bytes, *, end: bool = False) -> None:
        """Raise `TerminalError` when it has ended or closed its input."""
        if self._code is not None or not self._open:
            raise TerminalError(f"{self.id} takes no more input")
        await self._channel.write(data)
        if end:
            self._open = False
            await self._channel.end_input()

    async def kill(self) -> None:
        if self._code is None:
            await self._kill()
            await asyncio.shield(self.done)

    async def _follow(self) -> None:
        try:
            code = await self._channel.finish(lambda: False)
        except LostError as error:
            self._kept.feed(f"\n[{error}]\n".encode())
            code = LOST
        finally:
            self._channel.close()
        self._code = code
