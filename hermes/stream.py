"""Events on their way to whoever shows them (§5.4). Emitting never waits and never raises."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from hermes.events import Event, TextChunk, ThinkingChunk, ToolProgress, TurnFinished

LAG = 1_000_000
"""Characters a listener may fall behind; past it chunks are dropped, never the final text."""


class Listener:
    """A queue of one listener. Adjacent chunks merge, so a slow one gets few large ones."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._size = 0
        self._closed = False

    def push(self, event: Event) -> None:
        """Add an event; usable as `Emit`."""
        if self._closed:
            return
        if isinstance(event, (TextChunk, ThinkingChunk)):
            if self._size + len(event.text) > LAG:
                return
            self._size += len(event.text)
            last = self._events[-1] if self._events else None
            if type(last) is type(event) and isinstance(last, (TextChunk, ThinkingChunk)):
                if (last.step, last.attempt) == (event.step, event.attempt):
                    merged = type(event)(last.text + event.text, event.step, event.attempt)
                    self._events[-1] = merged
                    return
        elif isinstance(event, ToolProgress):
            if self._size + len(event.text) > LAG:
                return
            self._size += len(event.text)
        self._events.append(event)
        self._wake.set()

    def close(self) -> None:
        """No more events: the iteration ends after those that are queued."""
        self._closed = True
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Give events until `TurnFinished`, which is given too, or until closed."""
        while True:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, (TextChunk, ThinkingChunk, ToolProgress)):
                    self._size -= len(event.text)
                yield event
                if isinstance(event, TurnFinished):
                    return
            if self._closed:
                return
            self._wake.clear()
            await self._wake.wait()
