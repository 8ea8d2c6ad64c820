"""A background process at the other end."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable

from hermes import Process, TerminalError
from hermes_plugin_local_terminal.capture import Rolling
from hermes_plugin_remote.channel import Channel, LostError
from hermes_plugin_remote.envelope import Marks

LOST = 255
"""Exit code of a process whose machine is gone: as ssh has it."""


class RemoteProcess(Process):
    """One command in the background.

    One that is kept writes to a file there and is followed from it; its exit code is the one that
    the envelope wrote last. Any other ends with its terminal.
    """

    def __init__(
        self,
        command: str,
        marks: Marks,
        kill: Callable[[], Awaitable[None]],
        *,
        keep: bool = False,
    ) -> None:
        self.id = f"{'k' if keep else 'p'}{uuid.uuid4().hex[:8]}"
        self.command = command
        self.keep = keep
        self.started = time.time()
        self.began = asyncio.Event()
        """The envelope spoke: it runs, or was refused."""
        self._marks = marks
        self._kill = kill
        self._kept = Rolling()
        self._code: int | None = None
        self._takes = not keep

    def feed(self, data: bytes) -> None:
        """Take what came from the other end."""
        self._kept.feed(self._marks.feed(data))
        if self._marks.said:
            self.began.set()

    def follow(self, channel: Channel) -> asyncio.Task[None]:
        """Begin to wait for its end, and give the task that does."""
        self._channel = channel
        self.done = asyncio.get_running_loop().create_task(self._follow())
        return self.done

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
        """Raise `TerminalError` when it has ended, closed its input or is kept."""
        if self._code is not None or not self._takes:
            raise TerminalError(f"{self.id} takes no more input")
        await self._channel.write(data)
        if end:
            self._takes = False
            await self._channel.end_input()

    async def kill(self) -> None:
        await self._kill()
        await asyncio.shield(self.done)
        if self._code in (None, LOST) and self.keep:
            self._code = 137  # nobody followed it any more

    async def _follow(self) -> None:
        code: int | None = LOST
        try:
            code = await self._channel.finish(lambda: "end" in self._marks.said)
            self._kept.feed(self._marks.rest())
            if self.keep:
                said = self._marks.said.get("end", "137")
                code = int(said.partition(" ")[0])
        except LostError as error:
            if self.keep:
                code = None  # it goes on
            else:
                self._kept.feed(f"\n[{error}]\n".encode())
        finally:
            self._channel.close()
            self._code = code
            self.began.set()
