"""When the next message begins a new conversation by itself (``session_reset``)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hermes import PluginContext, SessionKey
from hermes_plugin_access.settings import SessionReset

LIMIT = 512
"""Chats whose last message is kept in memory; of others it is read from the journal."""
GRAIN = 300.0
"""Seconds that the journal may lag behind. After a restart a chat counts as so much fresher, so
that nothing is reset too early."""
KEPT = 400 * 86_400.0


class Seen(NamedTuple):
    """When a chat last said something, and what of it the journal has. Unix seconds."""

    last: float
    written: float


class Reset:
    """Knows when each chat last said something."""

    def __init__(self, context: PluginContext, clock: Callable[[], float] = time.time) -> None:
        self._context = context
        self.settings: SessionReset = context.config.section("session_reset")
        self._clock = clock
        self._seen: dict[str, Seen] = {}

    async def due(self, key: SessionKey) -> str:
        """Say why a new conversation begins with a message that came now; empty where none does."""
        if self.settings.mode == "none":
            return ""
        seen = self._seen.get(_name(key))
        if seen is None:
            written = await self._context.state.get(_name(key))
            if written is None:
                return ""
            seen = Seen(min(float(written) + self._grain, self._clock()), float(written))
            self._keep(key, seen)
        return self._why(seen.last)

    async def seen(self, key: SessionKey) -> None:
        """Note that a message came. Durable at most every few minutes."""
        if self.settings.mode == "none":
            return
        now = self._clock()
        before = self._seen.get(_name(key))
        if before is not None and now - before.written < self._grain:
            self._keep(key, Seen(now, before.written))
            return
        self._keep(key, Seen(now, now))
        await self._context.state.set(_name(key), int(now), seconds=KEPT)

    @property
    def _grain(self) -> float:
        return min(GRAIN, self.settings.idle_minutes * 60 / 10)

    def _keep(self, key: SessionKey, seen: Seen) -> None:
        self._seen.pop(_name(key), None)
        self._seen[_name(key)] = seen
        if len(self._seen) > LIMIT:
            del self._seen[next(iter(self._seen))]

    def _why(self, last: float) -> str:
        idle = self._clock() - last
        if self.settings.mode in ("idle", "both") and idle >= self.settings.idle_minutes * 60:
            return f"the last message was {_long(idle)} ago"
        if self.settings.mode in ("daily", "both") and last < self._day_began():
            return f"one begins every day at {self.settings.at_hour:02}:00"
        return ""

    def _day_began(self) -> float:
        """Give when the hour of the day was last, in the person's time zone."""
        zone = self._context.config.section("hermes").timezone
        now = datetime.fromtimestamp(self._clock(), UTC)
        now = now.astimezone(ZoneInfo(zone) if zone else None)
        began = now.replace(hour=self.settings.at_hour, minute=0, second=0, microsecond=0)
        return (began if began <= now else began - timedelta(days=1)).timestamp()


def _name(key: SessionKey) -> str:
    return "seen/" + hashlib.blake2b(str(key).encode(), digest_size=12).hexdigest()


def _long(seconds: float) -> str:
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'' if count == 1 else 's'}"
    return f"{int(seconds)} seconds"
