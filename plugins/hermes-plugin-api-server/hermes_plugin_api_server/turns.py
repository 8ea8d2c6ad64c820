"""One message on its way: it waits for its conversation and for a place, runs, and ends.

Requests of one conversation run one after the other in the order they came, and a bounded number in
all; the rest waits and is never refused for it. Each turn is a task of the server's own, so that it
does not hang on the connection of whoever asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from hermes import (
    Answered,
    Asked,
    Authority,
    Event,
    Failure,
    HermesError,
    Image,
    TextChunk,
    ThinkingChunk,
    ToolProgress,
    TurnFinished,
    one_line,
)

if TYPE_CHECKING:
    from hermes.conversation import Conversation

BUFFER = 1_000_000
"""Characters of pieces that one turn keeps for readers; the whole text comes at the end anyway."""


class Lanes:
    """Who may run: one of each conversation, *limit* in all, in the order they came."""

    def __init__(self, limit: int) -> None:
        self._slots = asyncio.Semaphore(limit)
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self.waiting = 0
        self.running = 0

    @asynccontextmanager
    async def turn(self, session: str) -> AsyncIterator[None]:
        """Hold the lane of a conversation, and a place, while a turn runs."""
        lock, users = self._locks.get(session) or (asyncio.Lock(), 0)
        self._locks[session] = (lock, users + 1)
        self.waiting += 1
        waited = False
        try:
            async with lock, self._slots:
                self.waiting, waited = self.waiting - 1, True
                self.running += 1
                try:
                    yield
                finally:
                    self.running -= 1
        finally:
            if not waited:
                self.waiting -= 1
            lock, users = self._locks.pop(session)
            if users > 1:
                self._locks[session] = (lock, users - 1)


class Turn:
    """A message, and all that came of it so far: any number may read along, from the beginning."""

    def __init__(
        self,
        conversation: Conversation,
        text: str,
        *,
        authority: Authority,
        images: tuple[Image, ...] = (),
        model: str = "",
        sender: str = "",
        resume: bool = False,
    ) -> None:
        self.conversation = conversation
        self.text = text
        self.images = images
        self.authority = authority
        self.model = model
        self.sender = sender
        self.resume = resume
        """The message is in the journal already; go on with its turn."""
        self.finished: TurnFinished | None = None
        self.questions: dict[str, Asked] = {}
        """What somebody is asked and has not answered."""
        self.before = 0
        """Head of the conversation when the turn began."""
        self.began = False
        self.cut = False
        """The server ended before the turn did; the journal knows how far it is."""
        self._stop = asyncio.Event()
        self._heard: list[Event] = []
        self._size = 0
        self._readers: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None

    def start(self, lanes: Lanes) -> asyncio.Task[None]:
        """Begin, now or when it is its turn. The task ends with `finished` set."""
        self._task = asyncio.ensure_future(self._run(lanes))
        return self._task

    def stop(self) -> None:
        """End it: one that waits never begins, one that runs is cancelled and keeps what it did."""
        self._stop.set()
        self.leave()

    def leave(self) -> None:
        """The server ends: one that waits never begins here."""
        if not self.began and self._task is not None:
            self._task.cancel()

    @property
    def stopped(self) -> bool:
        """Somebody said stop."""
        return self._stop.is_set()

    async def ended(self) -> TurnFinished:
        """Wait for the end."""
        if self._task is not None:
            await asyncio.wait((self._task,))
        assert self.finished is not None
        return self.finished

    async def events(self) -> AsyncIterator[Event]:
        """Give every event from the beginning, the last of which is `TurnFinished`."""
        place = 0
        while True:
            while place < len(self._heard):
                yield self._heard[place]
                place += 1
            if self.finished is not None:
                return
            waiting = asyncio.get_running_loop().create_future()
            self._readers.append(waiting)
            await waiting

    async def _run(self, lanes: Lanes) -> None:
        try:
            async with lanes.turn(self.conversation.info.id):
                await self._go()
        except asyncio.CancelledError:
            if not self.stopped:
                raise
        except HermesError as error:
            self._hear(_failed(one_line(error)))
        finally:
            if self.stopped and self.finished is None:
                self._hear(TurnFinished("cancelled", "Stopped."))
            elif self.finished is None:
                self.cut = True
                self._hear(_failed("The server stopped before the answer came."))

    async def _go(self) -> None:
        self.began = True
        if self.resume:
            events = self.conversation.resume(authority=self.authority, stop=self._stop)
        else:
            events = self.conversation.send(
                self.text,
                images=self.images,
                authority=self.authority,
                model=self.model,
                sender=self.sender,
                retractable=False,
                stop=self._stop,
            )
        async for event in events:
            if not self._heard:  # sending looked it up
                self.before = self.conversation.info.head
            self._hear(event)

    def _hear(self, event: Event) -> None:
        if isinstance(event, (TextChunk, ThinkingChunk, ToolProgress)):
            self._size += len(event.text)
            if self._size > BUFFER and not isinstance(event, TextChunk):
                return
        elif isinstance(event, Asked):
            self.questions[event.id] = event
        elif isinstance(event, Answered):
            self.questions.pop(event.id, None)
        elif isinstance(event, TurnFinished):
            self.finished = event
            self.questions.clear()
        self._heard.append(event)
        readers, self._readers = self._readers, []
        for reader in readers:
            if not reader.done():
                reader.set_result(None)


def _failed(why: str) -> TurnFinished:
    return TurnFinished("failed", why, failure=Failure("internal", why))
