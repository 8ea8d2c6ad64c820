"""Showing a turn in a chat while it runs: typing, a growing draft, questions, what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hermes.errors import one_line
from hermes.events import Asked, Event, StreamRestarted, TextChunk, ToolStarted, TurnFinished
from hermes.inbox import Entry, draft_token, entry_key, taken
from hermes.killpoint import reach
from hermes.platform import Inbound, MessageState, Outgoing, Part, Platform
from hermes.stream import Listener

if TYPE_CHECKING:
    from hermes.gateway import Gateway

T = TypeVar("T")
EVERY = 1.0
"""Seconds between two states of a draft."""
TYPING = 4.0
"""Seconds that a platform shows "is typing" after one call."""
PATIENCE = 10.0
"""Seconds one call for show may take; the turn never waits for it."""


class Following:
    """One inbound message, from the start of its turn to its reply."""

    def __init__(
        self,
        gateway: Gateway,
        platform: Platform | None,
        inbound: Inbound,
        entry: Entry,
        *,
        resumed: bool = False,
    ) -> None:
        self._gateway = gateway
        self._platform = platform
        self._inbound = inbound
        self._session = entry.session
        self._text: list[str] = []
        self._shown = ""
        self._drafted = 0.0
        self.draft = entry.draft
        """Id of the message that shows the answer as it grows; an earlier process may have sent
        it."""
        self.lost = resumed and not entry.draft
        """An earlier process may have sent a draft and died before it knew its id."""

    async def follow(self, listener: Listener) -> None:
        """Show what happens until the turn is over."""
        typing = asyncio.ensure_future(self._typing())
        try:
            await self._mark("working")
            async for event in listener:
                await self._show(event)
        finally:
            typing.cancel()

    async def _show(self, event: Event) -> None:
        match event:
            case TextChunk():
                self._text.append(event.text)
                await self._draw()
            case StreamRestarted() | ToolStarted():
                self._text.clear()
            case Asked():
                self._gateway.put_question(self._inbound, event)
            case TurnFinished():
                await self._mark("done" if event.status == "ok" else "failed")

    async def _draw(self) -> None:
        """Show the text so far, at most once a second, where the platform can edit."""
        platform = self._platform
        if platform is None or not platform.limits.edits:
            return
        if time.monotonic() - self._drafted < EVERY:
            return
        self._drafted = time.monotonic()
        text = "".join(self._text)
        if not text.strip() or text == self._shown:
            return
        outgoing = Outgoing(self._inbound.key, text, final=False, reply_to=self._inbound.id)
        part, *more = await self._gateway.delivery.parts(outgoing)
        if more:
            return  # longer than one message: the rest comes with the reply
        self._shown = text
        await self._put(platform, part)

    async def _put(self, platform: Platform, part: Part) -> None:
        """Send the draft, or change the one that is there."""
        part = msgspec.structs.replace(part, token=draft_token(entry_key(self._inbound)))
        found = ""
        if self.lost:
            self.lost = False
            found = self.draft = await self._quietly(platform.recall(part)) or ""
        if self.draft:
            part = msgspec.structs.replace(part, edits=self.draft, token="")
        receipt = await self._quietly(platform.send(part))
        reach("draft.sent")
        if receipt is not None and (found or not self.draft):
            self.draft = receipt.id
            change = taken(self._inbound, self._session, receipt.id)
            await self._gateway.runtime.store.commit((change,))

    async def _typing(self) -> None:
        while self._platform is not None:
            await self._quietly(self._platform.typing(self._inbound.key))
            await asyncio.sleep(TYPING)

    async def _mark(self, state: MessageState) -> None:
        if self._platform is not None:
            await self._quietly(self._platform.mark(self._inbound.key, self._inbound.id, state))

    async def _quietly(self, call: Awaitable[T]) -> T | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return await call
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: only for show)
            self._gateway.log.debug("not shown", error=one_line(error))
            return None
