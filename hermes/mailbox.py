"""One turn at a time per conversation; what comes meanwhile waits, interrupts or steers (§5.3)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hermes.events import Event
from hermes.messages import Image
from hermes.session import Authority
from hermes.store import Change
from hermes.stream import Listener
from hermes.turn import TurnResult

Busy: TypeAlias = Literal["queue", "interrupt", "steer"]


@dataclass
class Letter:
    """A message for a conversation, and who listens to what comes of it."""

    text: str
    authority: Authority
    images: tuple[Image, ...] = ()
    model: str = ""
    toolsets: tuple[str, ...] = ()
    sender: str = ""
    source: str = ""
    resume: bool = False
    """No new message: go on with the turn that is open."""
    again: bool = False
    """No new message: take back the last turn and send what began it again, in one commit."""
    retractable: bool = True
    steps: int | None = None
    listeners: list[Listener] = field(default_factory=list)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    taking: tuple[Change, ...] = ()
    """Committed with the person's message: the inbox row says who took it."""
    ending: Callable[[TurnResult], tuple[Change, ...]] | None = None
    """Gives what is committed with the turn's end: the reply, the inbox row's end."""
    ended: bool = False
    """What `ending` gives has been committed."""
    steering: tuple[Change, ...] = ()
    """Committed instead of both when the text goes into a turn that runs already."""

    def emit(self, event: Event) -> None:
        """Tell all listeners. Never waits."""
        for listener in self.listeners:
            listener.push(event)

    def close(self) -> None:
        """Tell all listeners that nothing more comes."""
        for listener in self.listeners:
            listener.close()


class Mailbox:
    """What waits for one conversation, and the task that works through it."""

    def __init__(self, run: Callable[[Letter, Mailbox], Awaitable[None]]) -> None:
        self._run = run
        self._waiting: deque[Letter] = deque()
        self._steering: list[Letter] = []
        """For the running turn; its agent takes them between steps."""
        self._running: Letter | None = None
        self._worker: asyncio.Task[None] | None = None

    @property
    def running(self) -> Letter | None:
        """The letter whose turn runs now."""
        return self._running

    @property
    def busy(self) -> bool:
        """Whether anything runs or waits."""
        return self._worker is not None and not self._worker.done()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def put(self, letter: Letter, busy: Busy = "queue") -> None:
        """Take in a letter. On a busy conversation *busy* says what it does; to a turn of somebody
        else nothing: it has that person's authority.
        """
        running = self._running
        if running is not None and running.authority.person != letter.authority.person:
            busy = "queue"
        if running is not None and busy == "steer":
            self._steering.append(letter)
            return
        if running is not None and busy == "interrupt":
            running.cancelled.set()
            self._waiting.appendleft(letter)
        else:
            self._waiting.append(letter)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.ensure_future(self._work())

    def steered(self) -> list[Letter]:
        """Hand over what was added to the running turn. Who sent it hears the rest of the turn."""
        taken, self._steering = self._steering, []
        if self._running is not None:
            for letter in taken:
                self._running.listeners.extend(letter.listeners)
        return taken

    def stop(self) -> bool:
        """Cancel the running turn, or the one about to run; what waits behind it goes on.

        False when there is neither.
        """
        letter = self._running or next(iter(self._waiting), None)
        if letter is not None:
            letter.cancelled.set()
        return letter is not None

    async def close(self) -> None:
        """End at once: a running turn stays open in the journal, to be resumed."""
        for letter in (*self._waiting, *self._steering):
            letter.close()
        self._waiting.clear()
        self._steering.clear()
        if self._worker is not None and not self._worker.done():
            self._worker.cancel()
            await asyncio.wait((self._worker,), timeout=5)

    async def idle(self) -> None:
        """Wait until nothing runs and nothing waits."""
        while self._worker is not None and not self._worker.done():
            await asyncio.wait((self._worker,))

    async def _work(self) -> None:
        while self._waiting:
            letter = self._running = self._waiting.popleft()
            try:
                await self._run(letter, self)
            finally:
                self._running = None
                letter.close()
            # What came too late for that turn is the next message.
            self._waiting.extendleft(reversed(self._steering))
            self._steering.clear()
