"""What came in, one after the other in each chat, and once: what is at work is not begun again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from hermes.context import Log
from hermes.errors import one_line
from hermes.inbox import Entry, entry_key, joined
from hermes.platform import Inbound
from hermes.session import SessionKey
from hermes.store import Store

ALBUM = 0.8
"""Seconds without another part after which an album is taken for whole."""


class Lanes:
    """A lane a chat. Nobody waits for somebody else's chat."""

    def __init__(
        self,
        store: Store,
        handle: Callable[[Inbound], Awaitable[None]],
        spawn: Callable[[Any], Any],
        log: Log,
    ) -> None:
        self._store = store
        self._handle = handle
        self._spawn = spawn
        self._log = log
        self._lanes: dict[SessionKey, asyncio.Queue[Inbound]] = {}
        self._at_work: set[str] = set()

    def put(self, entry: Entry) -> None:
        """Work on a message, after those of its chat that came before."""
        if not self.take(entry):
            return
        chat = entry.inbound.key
        if chat not in self._lanes:
            self._lanes[chat] = asyncio.Queue()
            self._spawn(self._work(chat))
        self._lanes[chat].put_nowait(entry.inbound)

    def take(self, entry: Entry) -> bool:
        """Say that a message is at work, until `leave`; False where it is already."""
        key = entry_key(entry.inbound)
        if key in self._at_work:
            return False
        self._at_work.add(key)
        return True

    def leave(self, *messages: Inbound) -> None:
        """Say that messages are not at work any more."""
        self._at_work.difference_update(map(entry_key, messages))

    async def _work(self, chat: SessionKey) -> None:
        lane = self._lanes[chat]
        ahead: Inbound | None = None
        while ahead or not lane.empty():
            sent, ahead = await self._album(ahead or lane.get_nowait(), lane)
            try:
                await self._handle(await self._joined(sent))
            except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: one chat's message)
                self._log.error("message not worked on", error=one_line(error))
                self.leave(*sent)
        del self._lanes[chat]

    async def _album(
        self, first: Inbound, lane: asyncio.Queue[Inbound]
    ) -> tuple[list[Inbound], Inbound | None]:
        """Wait for the rest of an album; give all of it, and what came after it."""
        found = [first]
        with contextlib.suppress(TimeoutError):
            while first.album:
                async with asyncio.timeout(ALBUM):
                    other = await lane.get()
                if other.album != first.album:
                    return found, other
                found.append(other)
        return found, None

    async def _joined(self, sent: list[Inbound]) -> Inbound:
        """Make one message of an album, in the journal too."""
        if len(sent) == 1:
            return sent[0]
        whole, changes = joined(sent)
        await self._store.commit(changes)
        self.leave(*sent[1:])
        return whole
