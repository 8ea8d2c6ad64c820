"""What every `Platform` must do: move bytes, lose none, and say what went wrong (§5, §6)."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from random import Random
from typing import ClassVar

import pytest

from hermes.errors import Failed
from hermes.platform import Part, Platform
from hermes.session import SessionKey
from hermes.splitting import measure
from hermes.supervisor import Supervised
from hermes.testing.context import CapturedLog
from hermes.testing.fakes import MemoryInbox
from hermes.testing.markdown import generate

UNITS = {"characters": "ä", "utf16": "😀", "bytes": "ä"}
"""A character for each unit: two units of it are one character, where the unit is a finer one."""
MARKDOWN = (
    "# Title\n\n**bold** and `code`, [a link](https://example.org/?a=1&b=2)\n\n```py\nx = 1\n```"
)
SIZES = {"characters": 1, "utf16": 2, "bytes": 2}


class PlatformContract:
    """Subclass, give the fixture `platform`, and say how its far side is played.

    The far side is a server of the test's (`say`, `shown`, `revoke` work on it), so that the
    platform's real client is exercised.
    """

    @pytest.fixture
    def platform(self) -> Platform:
        raise NotImplementedError("the suite needs a fixture `platform`")

    @abstractmethod
    def say(self, platform: Platform, text: str, id: str) -> None:
        """Let somebody write *text* to us; the same *id* again is the same message again."""
        raise NotImplementedError

    @abstractmethod
    def shown(self, platform: Platform) -> list[str]:
        """Give the texts that the chat shows now, in order."""
        raise NotImplementedError

    @abstractmethod
    def revoke(self, platform: Platform) -> None:
        """Make our credentials bad."""
        raise NotImplementedError

    faults: ClassVar[tuple[str, ...]] = ()
    """What `break_line` can do to the line. Of these names two mean the same everywhere:
    ``refuse``, nothing gets through, and ``drop``, what is sent is taken but the answer is lost."""
    heals_in = 10.0
    """Seconds after which what was said during a fault is there, once the fault is over."""

    async def break_line(self, platform: Platform, fault: str) -> None:
        """Break the line to the far side so."""
        raise NotImplementedError

    async def mend_line(self, platform: Platform) -> None:
        """Mend the line again."""
        raise NotImplementedError

    def key(self, platform: Platform) -> SessionKey:
        """Give a chat that parts can be sent to."""
        return SessionKey("fake", "1")

    @pytest.fixture
    async def opened(self, platform: Platform) -> AsyncIterator[Platform]:
        await platform.open()
        yield platform
        await platform.close()

    async def test_a_part_arrives_as_it_is(self, opened: Platform) -> None:
        texts = ["Hello", "*not bold* _or_ <b>tagged</b> &amp;", "日本語 😀", "two\nlines"]
        receipts = [await opened.send(Part(self.key(opened), text)) for text in texts]
        assert self.shown(opened) == texts
        assert all(receipt.id for receipt in receipts)
        assert len({receipt.id for receipt in receipts}) == len(texts)

    async def test_its_stated_length_is_taken(self, opened: Platform) -> None:
        text = self._sized(opened, opened.limits.length)
        await opened.send(Part(self.key(opened), text))
        assert self.shown(opened) == [text]

    async def test_what_is_too_long_is_refused_never_cut(self, opened: Platform) -> None:
        with pytest.raises(Failed) as raised:
            await opened.send(Part(self.key(opened), self._sized(opened, opened.limits.length + 2)))
        assert raised.value.failure.kind == "bad_request"
        assert not self.shown(opened)

    def _sized(self, platform: Platform, length: int) -> str:
        unit = platform.limits.unit
        return UNITS[unit] * (length // SIZES[unit]) + "x" * (length % SIZES[unit])

    async def test_what_it_formats_it_takes(self, opened: Platform) -> None:
        random = Random(1)
        words = "word " * opened.limits.length
        for text in (MARKDOWN, words, *(generate(random) for _ in range(50))):
            for piece in opened.format(text):
                assert measure(piece.text, opened.limits.unit) <= opened.limits.length
                await opened.send(Part(self.key(opened), piece.text, markup=piece.markup))
        assert opened.format(MARKDOWN)
        assert len(opened.format(words)) > 1
        assert not opened.format("")

    async def test_an_edit_replaces_where_edits_are_offered(self, opened: Platform) -> None:
        first = await opened.send(Part(self.key(opened), "draft"))
        if not opened.limits.edits:
            with pytest.raises(Failed):
                await opened.send(Part(self.key(opened), "final", edits=first.id))
            return
        await opened.send(Part(self.key(opened), "final", edits=first.id))
        assert self.shown(opened) == ["final"]

    async def test_a_repeated_token_is_shown_once_where_keys_are_offered(
        self, opened: Platform
    ) -> None:
        for _ in range(2):
            await opened.send(Part(self.key(opened), "once", token="turn-1:0"))
        assert len(self.shown(opened)) == (1 if opened.limits.keyed else 2)

    async def test_a_lost_message_is_found_by_its_token_or_not_at_all(
        self, opened: Platform
    ) -> None:
        part = Part(self.key(opened), "draft", token="turn-1:draft")
        assert await opened.recall(part) == ""
        receipt = await opened.send(part)
        found = await opened.recall(part)
        assert found == receipt.id if opened.limits.keyed else found in ("", receipt.id)

    async def test_what_is_said_arrives_in_order(self, opened: Platform) -> None:
        inbox = MemoryInbox()
        async with Running(opened, inbox):
            for number in range(5):
                self.say(opened, f"message {number}", f"{number}")
            got = await inbox.received(5)
        assert [message.text for message in got] == [f"message {n}" for n in range(5)]
        assert all(message.id for message in got)
        assert all(message.sender.id and message.key.chat for message in got)

    async def test_a_repeat_carries_the_same_id(self, opened: Platform) -> None:
        inbox = MemoryInbox()
        async with Running(opened, inbox):
            self.say(opened, "first", "7")
            self.say(opened, "first", "7")
            self.say(opened, "second", "8")
            got = await inbox.received(2)
        assert [message.text for message in got] == ["first", "second"]

    async def test_what_could_not_be_kept_comes_again(self, opened: Platform) -> None:
        inbox = MemoryInbox()
        inbox.failures.append(OSError("disk full"))
        self.say(opened, "precious", "1")
        run = Running(opened, inbox)
        async with run:
            await run.ended_or(inbox)
        async with Running(opened, inbox):
            got = await inbox.received(1)
        assert [message.text for message in got] == ["precious"]

    async def test_it_goes_on_from_the_kept_cursor(self, opened: Platform) -> None:
        inbox = MemoryInbox()
        async with Running(opened, inbox):
            self.say(opened, "before", "1")
            await inbox.received(1)
        self.say(opened, "meanwhile", "2")
        async with Running(opened, inbox):
            got = await inbox.received(2)
        assert [message.text for message in got] == ["before", "meanwhile"]

    async def test_it_stops_at_once_when_cancelled(self, opened: Platform) -> None:
        run = Running(opened, MemoryInbox())
        async with run:
            await asyncio.sleep(0)
            began = time.monotonic()
        assert time.monotonic() - began < 1.0
        assert run.task.cancelled()

    async def test_each_fault_of_the_line_heals_without_anybody_doing_anything(
        self, opened: Platform
    ) -> None:
        inbox, said = MemoryInbox(), list[str]()
        kept = Supervised("it", lambda: opened.run(inbox), CapturedLog(), first=0.05, most=0.1)
        kept.start()
        for fault in self.faults:
            for when in ("before", "during", "after"):
                if when == "during":
                    await self.break_line(opened, fault)
                said.append(f"{when} {fault}")
                self.say(opened, said[-1], str(len(said)))
                if when == "during":
                    await asyncio.sleep(0.05)
                    await self.mend_line(opened)
                got = await inbox.received(len(said), self.heals_in)
            assert [message.text for message in got] == said
            await opened.send(Part(self.key(opened), f"sent after {fault}"))
        await kept.stop()

    async def test_a_send_says_whether_it_may_have_arrived(self, opened: Platform) -> None:
        for fault in {"refuse", "drop"} & {*self.faults}:
            await self.break_line(opened, fault)
            with pytest.raises(Failed) as raised:
                await opened.send(Part(self.key(opened), fault))
            await self.mend_line(opened)
            assert raised.value.failure.retryable
            assert raised.value.failure.unsure == (fault == "drop")
            assert (fault in self.shown(opened)) == (fault == "drop")

    async def test_bad_credentials_are_an_authentication_failure(self, opened: Platform) -> None:
        self.revoke(opened)
        with pytest.raises(Failed) as sending:
            await opened.send(Part(self.key(opened), "Hello"))
        async with asyncio.timeout(10):
            with pytest.raises(Failed) as receiving:
                await opened.run(MemoryInbox())
        for raised in (sending, receiving):
            assert raised.value.failure.kind == "auth"
            assert not raised.value.failure.retryable


class Running:
    """Runs a platform as the gateway does, for as long as the block lasts."""

    def __init__(self, platform: Platform, inbox: MemoryInbox) -> None:
        self.platform, self.inbox = platform, inbox

    async def __aenter__(self) -> None:
        self.task = asyncio.ensure_future(self.platform.run(self.inbox))

    async def __aexit__(self, *exc: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task], timeout=5)

    async def ended_or(self, inbox: MemoryInbox, seconds: float = 5.0) -> None:
        """Wait until the platform gave up ("restart me") or tried again and succeeded."""
        arrived = asyncio.ensure_future(inbox.received(1, seconds))
        await asyncio.wait([self.task, arrived], return_when=asyncio.FIRST_COMPLETED)
        arrived.cancel()
