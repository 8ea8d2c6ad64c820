"""One command's channel on the connection."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import asyncssh

from hermes import TerminalError
from hermes_plugin_remote.channel import Channel, LostError


class SSHChannel(Channel, asyncssh.SSHClientSession[bytes]):
    """A session channel: both streams, the exit code, and the loss of the connection."""

    def __init__(self, feed: Callable[[bytes], None], place: str, over: Callable[[], None]) -> None:
        """*over* is called once, when a channel that was opened is closed."""
        super().__init__(feed)
        self._place = place
        self._over = over
        self._writable = asyncio.Event()
        self._writable.set()
        self._started = False
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None

    # -- what asyncssh tells ------------------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def session_started(self) -> None:
        self._started = True

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if datatype == asyncssh.EXTENDED_DATA_STDERR:
            self.complained(data)
        else:
            self.fed(data)

    def eof_received(self) -> bool:
        self.eof()
        return True  # it may still read

    def exit_status_received(self, status: int) -> None:
        self.exited(status)

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self.exited(128 + number_of(signal))

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()
        self.lost(LostError(f"{self._place}: the connection was lost"))
        self._release()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    @property
    def opened(self) -> bool:
        """Whether the channel was there, so that the command may have been sent."""
        return self._channel is not None

    # -- what the terminal asks ---------------------------------------------------------------

    async def write(self, data: bytes) -> None:
        if self._channel is None or self._channel.is_closing():
            raise TerminalError(f"{self._place}: it takes no more input")
        try:
            self._channel.write(data)
        except (BrokenPipeError, OSError):
            raise TerminalError(f"{self._place}: it takes no more input") from None
        await self._writable.wait()

    async def end_input(self) -> None:
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write_eof()

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
        self._release()

    def _release(self) -> None:
        """The connection is not used any more by this one."""
        if self._started:
            self._started = False
            self._over()


def number_of(name: str) -> int:
    """Give the number of a signal that is named as SSH names it (``KILL``)."""
    found = getattr(signal, f"SIG{name}", signal.SIGKILL)
    return int(found)
