"""A messenger, an inbox and a long-term memory that exist only in the test.

They check what they get as the real ones do, and refuse it with the real ones' errors.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from random import Random
from typing import Any, Literal, TypeAlias

from hermes.errors import Failed, Failure
from hermes.memory import Memory
from hermes.messages import clean
from hermes.platform import Inbound, Inbox, Part, Platform, PlatformLimits, Receipt
from hermes.session import Account, SessionKey
from hermes.splitting import measure
from hermes.turn import Turn, TurnResult


class MemoryInbox(Inbox):
    """Keeps what a platform puts into it, once each."""

    def __init__(self) -> None:
        self.messages: list[Inbound] = []
        self.kept_cursor = ""
        self.failures: list[Exception] = []
        """Raised by the next calls of `put`, which then keep nothing."""
        self._seen: set[tuple[str, str, str]] = set()
        self._arrived = asyncio.Condition()

    async def put(self, messages: tuple[Inbound, ...], *, cursor: str = "") -> None:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        for message in messages:
            if clean(message.text) != message.text:
                raise ValueError(f"message {message.id}: text that no journal can hold")
            named = (message.key.platform, message.key.account, message.id)
            if named not in self._seen:
                self._seen.add(named)
                self.messages.append(message)
        self.kept_cursor = cursor or self.kept_cursor
        async with self._arrived:
            self._arrived.notify_all()

    async def cursor(self) -> str:
        return self.kept_cursor

    async def received(self, count: int, seconds: float = 5.0) -> list[Inbound]:
        """Wait until *count* messages are there. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: len(self.messages) >= count)
        return self.messages


LineFault: TypeAlias = Literal["refuse", "half-open", "drop", "deaf"]
"""What can be wrong with a line:

* ``refuse``: nothing gets through, and the caller knows at once;
* ``half-open``: calls get no answer and do nothing;
* ``drop``: what is sent is taken, but the answer gets lost;
* ``deaf``: all else works, but no update comes.
"""


class FakePlatform(Platform):
    """A messenger of one's own: `say` something to it, and look at what it `sent`.

    Updates stay until the inbox confirmed them, as with Telegram's offsets. *failures* are given to
    the next sends in order (None lets one through), *delay* seconds pass in each, and *edits* are
    taken where the limits say so. It can do what real ones do to a client: `fault` breaks the line,
    each update comes *copies* times, and *shuffle* brings those that wait together out of order.
    """

    def __init__(
        self,
        limits: PlatformLimits | None = None,
        *,
        name: str = "fake",
        delay: float = 0.0,
        failures: Iterable[Failure | None] = (),
        copies: int = 1,
        shuffle: Random | None = None,
        answer_seconds: float = 0.1,
    ) -> None:
        self.limits = limits or PlatformLimits()
        self.name = name
        self.delay = delay
        self.failures = list(failures)
        self.copies = copies
        self.shuffle = shuffle
        self.answer_seconds = answer_seconds
        """Seconds of silence after which its client gives up on a call."""
        self.sent: list[Part] = []
        """Every part that was taken, in order, edits too."""
        self.shown: dict[str, str] = {}
        """What the chat shows: message id to text."""
        self.typed: list[SessionKey] = []
        self.revoked = False
        """The token is no longer good: receiving and sending fail as authentication."""
        self.line: LineFault | None = None
        """What is wrong with the line now."""
        self._updates: list[Inbound] = []
        self._wake = asyncio.Event()
        self._took = asyncio.Event()
        self._tokens: dict[str, str] = {}

    def say(
        self,
        text: str,
        *,
        chat: str = "1",
        thread: str = "",
        id: str = "",
        sender: str = "1",
        **fields: Any,
    ) -> Inbound:
        """Let somebody write *text* in *chat*. The same *id* again is a repeat; *fields* are
        further ones of `Inbound`.
        """
        message = Inbound(
            SessionKey(self.name, chat, thread=thread),
            id or str(len(self._updates) + 1),
            Account(self.name, sender, f"Person {sender}"),
            text,
            **fields,
        )
        self._updates.append(message)
        self._wake.set()
        return message

    async def said(self, count: int, seconds: float = 5.0) -> list[str]:
        """Wait until *count* parts were taken; give their texts. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.sent) < count:
                self._took.clear()
                await self._took.wait()
        return [part.text for part in self.sent]

    def revoke(self) -> None:
        """Make the token bad, now."""
        self.revoked = True
        self._wake.set()

    def fault(self, fault: LineFault) -> None:
        """Break the line until `heal`."""
        self.line = fault
        self._wake.set()

    def heal(self) -> None:
        """Mend the line."""
        self.line = None
        self._wake.set()

    async def run(self, inbox: Inbox) -> None:
        done = int(await inbox.cursor() or 0)
        while True:
            self._wake.clear()
            await self._check_line()
            if self.line != "deaf":
                for batch in self._batches(done):
                    done += len(batch)
                    await inbox.put(self._as_they_come(batch), cursor=str(done))
            await self._wake.wait()

    def _batches(self, done: int) -> list[list[Inbound]]:
        waiting = self._updates[done:]
        return [waiting] if self.shuffle and waiting else [[each] for each in waiting]

    def _as_they_come(self, batch: list[Inbound]) -> tuple[Inbound, ...]:
        come = batch * self.copies
        if self.shuffle:
            self.shuffle.shuffle(come)
        return tuple(come)

    async def send(self, part: Part) -> Receipt:
        await asyncio.sleep(self.delay)
        await self._check_line()
        if self.failures and (failure := self.failures.pop(0)):
            raise Failed(failure)
        receipt = self._take(part)
        if self.line == "drop":
            await asyncio.sleep(self.answer_seconds)
            raise self._no_answer()
        return receipt

    def _take(self, part: Part) -> Receipt:
        if self.limits.keyed and part.token in self._tokens:
            return Receipt(self._tokens[part.token])
        self._check(part)
        id = part.edits or f"sent-{len(self.sent) + 1}"
        self.sent.append(part)
        self._took.set()
        self.shown[id] = part.text
        if part.token:
            self._tokens[part.token] = id
        return Receipt(id)

    async def recall(self, part: Part) -> str:
        return self._tokens.get(part.token, "")

    async def _check_line(self) -> None:
        """Fail as the client does on this line, and with a bad token."""
        if self.line == "refuse":
            raise Failed(Failure("transient", "connection refused", self.name))
        if self.line == "half-open":
            await asyncio.sleep(self.answer_seconds)
            raise self._no_answer()
        self._check_token()

    def _check_token(self) -> None:
        if self.revoked:
            raise Failed(Failure("auth", "Unauthorized", source=self.name, status=401))

    def _no_answer(self) -> Failed:
        return Failed(Failure("timeout", "no answer in time", self.name, unsure=True))

    async def typing(self, key: SessionKey) -> None:
        self.typed.append(key)

    def _check(self, part: Part) -> None:
        if not part.text and part.attachment is None:
            self._refuse("message text is empty")
        if clean(part.text) != part.text:
            self._refuse("text is not valid UTF-8")
        if measure(part.text, self.limits.unit) > self.limits.length:
            self._refuse("message is too long")
        if part.edits and not self.limits.edits:
            self._refuse("messages cannot be edited")
        if part.edits and part.edits not in self.shown:
            self._refuse("message to edit not found")

    def _refuse(self, why: str) -> None:
        raise Failed(Failure("bad_request", f"Bad Request: {why}", source=self.name, status=400))


class FakeMemory(Memory):
    """Remembers what each person said, and recalls whatever shares a word with the question."""

    def __init__(self, facts: dict[str, list[str]] | None = None) -> None:
        self.facts = facts if facts is not None else {}
        """Person to what they said. Give it to the next one to play a restart."""

    async def recall(self, turn: Turn) -> str:
        asked = words(turn.input.text)
        known = self.facts.get(turn.input.authority.memory, [])
        return "\n".join(fact for fact in known if asked & words(fact))

    async def record(self, turn: Turn, result: TurnResult) -> None:
        if result.status == "ok":
            known = self.facts.setdefault(turn.input.authority.memory, [])
            known.append(turn.input.text)

    async def forget(self, person: str, about: str) -> int:
        known = self.facts.get(person, [])
        kept = [fact for fact in known if about.casefold() not in fact.casefold()]
        self.facts[person] = kept
        return len(known) - len(kept)


def words(text: str) -> set[str]:
    """Give the words of *text* that say something, in lower case."""
    return {word for word in re.findall(r"\w+", text.casefold()) if len(word) > 3}
