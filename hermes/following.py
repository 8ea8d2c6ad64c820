"""Showing a turn in a chat while it runs: typing, a growing draft, questions, what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hermes.errors import Failed, HermesError, one_line
from hermes.events import Asked, Event, StreamRestarted, TextChunk, ToolStarted, TurnFinished
from hermes.inbox import DRAFTING, Entry, draft_token, entry_key, taken
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
        first_in_line: Callable[[], bool],
    ) -> None:
        self._gateway = gateway
        self._platform = platform
        self._inbound = inbound
        self._session = entry.session
        self._first_in_line = first_in_line
        """Nothing is to be shown in the chat before what we show."""
        self._text: list[str] = []
        self._shown = ""
        self._drafted = 0.0
        self._looked = False
        self.unsure = entry.draft == DRAFTING
        """A draft may be shown whose id we do not know, so that nothing can replace it."""
        self.draft = "" if self.unsure else entry.draft
        """Id of the message that shows the answer as it grows; an earlier process may have sent
        it."""
        self.over = False
        """The reply is on its way into the outbox: nothing more is drafted."""

    async def follow(self, listener: Listener) -> MessageState | None:
        """Show what happens until the turn is over; give what became of it, if it ended."""
        typing = asyncio.ensure_future(self._typing())
        try:
            await self.mark("working")
            async for event in listener:
                if isinstance(event, TurnFinished):
                    return "done" if event.status == "ok" else "failed"
                await self._show(event)
        finally:
            typing.cancel()
            self._gateway.orders.close_questions(self._inbound)
        return None

    async def _show(self, event: Event) -> None:
        match event:
            case TextChunk():
                self._text.append(event.text)
                await self._draw()
            case StreamRestarted() | ToolStarted():
                self._text.clear()
            case Asked():
                self._gateway.put_question(self._inbound, event)

    async def _draw(self) -> None:
        """Show the text so far, at most once a second, where the platform can edit."""
        platform = self._platform
        if platform is None or not platform.limits.edits:
            return
        if self.over or time.monotonic() - self._drafted < EVERY:
            return
        if not self.draft and not self._first_in_line():
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
        part = msgspec.structs.replace(part, token=draft_token(entry_key(self._inbound)))
        if self.unsure and not self._looked:
            await self._look(platform, part)
        if self.draft:
            part = msgspec.structs.replace(part, edits=self.draft, token="")
            await self._quietly(platform.send(part))
        elif not self.unsure:
            await self._first(platform, part)

    async def _look(self, platform: Platform, part: Part) -> None:
        """Find the draft that an earlier process may have sent."""
        self._looked = True
        found = await self._quietly(platform.recall(part))
        if found:
            self.draft, self.unsure = found, False
            await self._keep(found)
        elif found == "" and platform.limits.keyed:  # it knows what has a key: there is none
            self.unsure = False

    async def _first(self, platform: Platform, part: Part) -> None:
        """Show the first draft. The journal knows before that there may be one, then which."""
        self.unsure = True
        if not await self._keep(DRAFTING) or self.over:
            self.unsure = False
            return
        reach("draft.sending")
        try:
            receipt = await asyncio.wait_for(platform.send(part), PATIENCE)
        except Failed as failed:
            self.unsure = failed.failure.unsure
            self._gateway.log.debug("no draft shown", error=failed.failure.message)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: only for show)
            self._gateway.log.debug("no draft shown", error=one_line(error))
        else:
            reach("draft.sent")
            self.draft, self.unsure = receipt.id, False
            await self._keep(receipt.id)
            reach("draft.kept")

    async def _keep(self, draft: str) -> bool:
        """Note on the message's row what shows its answer. False where that failed."""
        change = taken(self._inbound, self._session, draft)
        try:
            await self._gateway.runtime.store.commit((change,))
        except HermesError as error:
            self._gateway.log.warning("draft not noted", error=one_line(error))
            return False
        return True

    async def _typing(self) -> None:
        while self._platform is not None:
            await self._quietly(self._platform.typing(self._inbound.key))
            await asyncio.sleep(TYPING)

    async def mark(self, state: MessageState) -> None:
        if self._platform is not None:
            await self._quietly(self._platform.mark(self._inbound.key, self._inbound.id, state))

    async def _quietly(self, call: Awaitable[T]) -> T | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return await call
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: only for show)
            self._gateway.log.debug("not shown", error=one_line(error))
            return None
