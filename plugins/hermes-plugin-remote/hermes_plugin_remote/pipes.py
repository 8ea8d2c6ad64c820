"""A bash at the end of a child process's pipes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from hermes import TerminalError
from hermes_plugin_remote.channel import Channel


class PipeChannel(Channel):
    """Passes bytes to and from a program that leads there."""

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        super().__init__(feed)
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.SubprocessTransport

    @classmethod
    async def spawn(
        cls,
        words: Sequence[str],
        env: Mapping[str, str],
        feed: Callable[[bytes], None],
        place: str,
    ) -> PipeChannel:
        """Start *words* in a session of their own. Raise `TerminalError` when that fails."""
        channel = cls(feed)
        loop = asyncio.get_running_loop()
        try:
            await loop.subprocess_exec(
                lambda: _Protocol(channel),
                *words,
                env=dict(env),
                start_new_session=True,
            )
        except OSError as error:
            raise TerminalError(f"{place}: cannot run {words[0]}: {error.strerror}") from None
        return channel

    def connected(self, transport: asyncio.SubprocessTransport) -> None:
        """The program was started."""
        self._transport = transport

    @property
    def returncode(self) -> int:
        """As asyncio has it."""
        code = self._transport.get_returncode()
        assert code is not None
        return code

    async def write(self, data: bytes) -> None:
        stdin = self._stdin()
        if stdin is None or stdin.is_closing() or self.exit.done():
            raise TerminalError("it takes no more input")
        stdin.write(data)
        await self._writable.wait()

    async def end_input(self) -> None:
        if (stdin := self._stdin()) is not None:
            stdin.close()

    def close(self) -> None:
        """End the program that leads there, with what else is in its group here."""
        if self._transport.get_returncode() is None:
            try:
                os.killpg(self._transport.get_pid(), signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        self._transport.close()

    def _stdin(self) -> asyncio.WriteTransport | None:
        return cast("asyncio.WriteTransport | None", self._transport.get_pipe_transport(0))

    def ended(self, code: int) -> None:
        """The program ended, with an exit code as shells have it."""
        self._writable.set()
        self.exited(code)

    def writable(self, whether: bool) -> None:
        """Whether its input takes more."""
        if whether:
            self._writable.set()
        else:
            self._writable.clear()


class _Protocol(asyncio.SubprocessProtocol):
    """Tells the channel what happens to its program."""

    def __init__(self, channel: PipeChannel) -> None:
        self._channel = channel

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._channel.connected(cast(asyncio.SubprocessTransport, transport))

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        assert isinstance(data, bytes)
        if fd == 1:
            self._channel.fed(data)
        else:
            self._channel.complained(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self._channel.eof()
        elif fd == 0:
            self._channel.writable(True)

    def process_exited(self) -> None:
        code = self._channel.returncode
        self._channel.ended(128 - code if code < 0 else code)

    def pause_writing(self) -> None:
        self._channel.writable(False)

    def resume_writing(self) -> None:
        self._channel.writable(True)
