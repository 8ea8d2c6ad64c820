"""Events on their way to whoever shows them (§5.4). Emitting never waits and never raises."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from hermes.events import Event, TextChunk, ThinkingChunk, ToolProgress, TurnFinished

LAG = 1_000_000
"""Characters a listener may fall behind; past it chunks are dropped, never the final text."""


class Listener:
    """A queue of one listener. Adjacent chunks merge, so a slow one gets few large ones."""

    def __init__(self) -> None:
        self._events: deque[tuple[Any, Event]] = deque()
        self._wake = asyncio.Event()
        self._size = 0
        self._closed = False

    def push(self, event: Event, about: Any = None) -> None:
        """Add an event; usable as `Emit`. *about* comes out beside it (`pairs`)."""
        if self._closed:
            return
        if isinstance(event, (TextChunk, ThinkingChunk, ToolProgress)):
            if self._size + len(event.text) > LAG:
                return
            self._size += len(event.text)
            if self._events and (merged := _merged(self._events[-1], about, event)) is not None:
                self._events[-1] = (about, merged)
                return
        self._events.append((about, event))
        self._wake.set()

    def close(self) -> None:
        """No more events: the iteration ends after those that are queued."""
        self._closed = True
        self._wake.set()

    async def pairs(self) -> AsyncIterator[tuple[Any, Event]]:
        """Give each event with what it is about, until closed."""
        while True:
            while self._events:
                about, event = self._events.popleft()
                if isinstance(event, (TextChunk, ThinkingChunk, ToolProgress)):
                    self._size -= len(event.text)
                yield about, event
            if self._closed:
                return
            self._wake.clear()
            await self._wake.wait()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Give events until `TurnFinished`, which is given too, or until closed."""
        async for _, event in self.pairs():
            yield event
            if isinstance(event, TurnFinished):
                return


def _merged(last: tuple[Any, Event], about: Any, event: Event) -> Event | None:
    before = last[1]
    if last[0] is not about or type(before) is not type(event):
        return None
    if isinstance(before, (TextChunk, ThinkingChunk)) and isinstance(
        event, (TextChunk, ThinkingChunk)
    ):
        if (before.step, before.attempt) == (event.step, event.attempt):
            return type(event)(before.text + event.text, event.step, event.attempt)
    return None
