"""The one thing that differs between remote terminals: how words reach a bash, and bytes it."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable

from hermes import TerminalError

LINGER = 0.1
"""Seconds to wait for more once the command has ended and said so: a `>(tee …)` of it may still be
writing. What it left in the background does not hold the call up for longer."""
SILENCE = 2.0
"""Seconds without output after which one that ended without a word (killed) has nothing more."""
AFTER = 10.0
"""Seconds after which one that ended without a word is not listened to any longer."""


class LostError(TerminalError):
    """The other end is gone: what ran there has an unknown outcome."""


class Channel(ABC):
    """One bash at the other end. Its maker calls `fed`, `eof`, `exited`, `lost` as they happen."""

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        self._feed = feed
        loop = asyncio.get_running_loop()
        self.exit: asyncio.Future[int] = loop.create_future()
        """How it ended, as shells say it; or `LostError`."""
        self._ended = asyncio.Event()
        self._news = asyncio.Event()
        self.errors = b""
        """The end of what came beside the output: no bash of ours writes there."""

    def fed(self, data: bytes) -> None:
        """Output came."""
        self._feed(data)
        self._news.set()

    def complained(self, data: bytes) -> None:
        """Something came beside the output, from what leads there."""
        self.errors = (self.errors + data)[-2000:]

    def eof(self) -> None:
        """No more output comes."""
        self._ended.set()
        self._news.set()

    def exited(self, code: int) -> None:
        """It ended."""
        if not self.exit.done():
            self.exit.set_result(code)

    def lost(self, error: LostError) -> None:
        """Nothing more will be heard of it."""
        if not self.exit.done():
            self.exit.set_exception(error)
            self.exit.exception()  # whoever waits is told; nobody may
        self._ended.set()
        self._news.set()

    async def finish(self, said: Callable[[], bool]) -> int:
        """Wait for its end and its output's; *said* tells whether the envelope spoke its last.

        Raise `LostError` when the other end is gone.
        """
        code = await asyncio.shield(self.exit)
        if not said() and not self._ended.is_set():
            await self._quiet(said)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER if said() else 0):
                await self._ended.wait()
        return code

    async def _quiet(self, said: Callable[[], bool]) -> None:
        """Wait for the envelope's last word, the end of the output or a silence."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AFTER):
                while not said() and not self._ended.is_set():
                    self._news.clear()
                    async with asyncio.timeout(SILENCE):
                        await self._news.wait()

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Write to its standard input. Raise `TerminalError` when it takes no more."""

    @abstractmethod
    async def end_input(self) -> None:
        """Close its standard input."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it. What runs at the other end may go on."""
