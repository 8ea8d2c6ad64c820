"""A terminal in a sandbox that somebody bills: woken on demand, put to sleep when idle."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence

from hermes import PluginContext, TerminalError, TerminalSpec
from hermes_plugin_remote.channel import Channel
from hermes_plugin_remote.terminal import RemoteTerminal


class SandboxTerminal(RemoteTerminal):
    """The terminal of one scope in a sandbox of its own.

    A sandbox has no name of its own that could be compared; the terminal's folder in it, which goes
    to sleep and wakes with its files, tells it from any other.
    """

    root = "/var/tmp"  # what must outlast a sleep is not for a /tmp in memory
    named = False

    def __init__(self, context: PluginContext, spec: TerminalSpec) -> None:
        super().__init__(context, spec)
        self._waking = asyncio.Lock()
        self._awake: bool | None = False
        """None: that is to be asked."""
        self._since = 0.0
        self._users: set[Channel | object] = set()

    # -- for the backend ----------------------------------------------------------------------

    @abstractmethod
    async def wake(self) -> str:
        """Find, start or make the sandbox. Raise `TerminalError` where that fails.

        Give what was lost where the one that there was is gone and this is a new one, else "".
        """

    @abstractmethod
    async def sleep(self) -> None:
        """Stop paying for it, keeping its files. Raise `TerminalError` where that fails."""

    @abstractmethod
    async def destroy(self) -> None:
        """Remove it with its files."""

    @abstractmethod
    async def reach(self, words: Sequence[str], feed: Callable[[bytes], None]) -> Channel:
        """As `RemoteTerminal.connect`, in a sandbox that is awake."""

    @abstractmethod
    def price(self, awake: bool) -> float:
        """Give what it costs now, in dollars an hour."""

    # -- what follows from it -----------------------------------------------------------------

    async def connect(self, words: Sequence[str], feed: Callable[[bytes], None]) -> Channel:
        use = object()
        async with self._waking:
            if self._awake is not True:
                lost = await self.wake()
                self._awake, self._since = True, time.monotonic()
                if lost and self.opened:
                    self.renewed(lost)
                    raise TerminalError(f"{self.place}: {lost}. Nothing was run")
            self._users.add(use)
        try:
            channel = await self.reach(words, feed)
        except TerminalError:
            self.unreached()
            raise
        finally:
            self._users.discard(use)
        self._users.add(channel)
        channel.exit.add_done_callback(lambda ended: self._used(channel, ended))
        return channel

    async def hibernate(self) -> None:
        async with self._waking:
            if self._awake is not False and not self._users:
                await self.sleep()
                self._awake = False

    async def released(self) -> None:
        async with self._waking:
            if not self.spec.persistent:
                await self.destroy()
            elif (
                self._awake is not False and not self.processes()
            ):  # what is kept goes on, and costs
                await self.sleep()
            self._awake = False

    def unreached(self) -> None:
        self._awake = None

    def reachable(self) -> bool:
        return self._awake is True

    async def status(self) -> str:
        hourly = self.price(self._awake is not False)
        rate = f"${hourly:.4f} an hour" if hourly else "no cost"
        if self._awake is False:
            return f"{self.place}: asleep, {rate}"
        hours = (time.monotonic() - self._since) / 3600
        return f"{self.place}: awake for {hours * 60:.0f} min, {rate}, ${hourly * hours:.4f} so far"

    def _used(self, channel: Channel, ended: asyncio.Future[int]) -> None:
        self._users.discard(channel)
        if ended.exception() is not None:
            self.unreached()
