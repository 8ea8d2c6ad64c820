"""What a line can do to a message and its reply, and what becomes of both (AT-14, 24, 25)."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hermes.delivery import REPEATED
from hermes.errors import Failure
from hermes.platform import Inbox, Part, PlatformLimits
from hermes.records import UserSaid
from hermes.testing import FakePlatform, MemoryStore, ScriptedProvider, open_gateway
from hermes.testing.answers import Say


def ends(store: MemoryStore, queue: str) -> Counter[str]:
    return Counter(entry.end for entry in store.disk.queues.get(queue, {}).values())


async def ended(store: MemoryStore, count: int, seconds: float = 10.0) -> Counter[str]:
    """Wait until *count* replies have their end; give the ends."""
    async with asyncio.timeout(seconds):
        while (found := ends(store, "outbox")).total() - found[""] < count:
            await asyncio.sleep(0.01)
    return found


def echo(request: Any) -> str:
    return f"re: {request.spec.messages[-1].text}"


@pytest.mark.parametrize(
    ("limits", "ambiguous", "shown", "end"),
    [
        (PlatformLimits(), "resend", ["re: Hi", f"{REPEATED}re: Hi"], "delivered:repeated"),
        (PlatformLimits(), "drop", ["re: Hi"], "delivered:unknown"),
        (PlatformLimits(keyed=True), "resend", ["re: Hi"], "delivered"),
    ],
    ids=["resend", "drop", "keyed"],
)
async def test_a_send_without_an_answer_is_repeated_as_said_and_recorded(
    limits: PlatformLimits, ambiguous: str, shown: list[str], end: str, tmp_path: Path
) -> None:
    platform, store = FakePlatform(limits), MemoryStore()
    platform.fault("drop")
    async with open_gateway(
        tmp_path,
        platform,
        provider=ScriptedProvider(echo),
        store=store,
        settings={"ambiguous": ambiguous},
    ):
        platform.say("Hi")
        await platform.said(1)
        platform.heal()
        assert await ended(store, 1) == {end: 1}
    assert list(platform.shown.values()) == shown


async def test_a_send_that_did_not_go_out_is_no_repeat(tmp_path: Path) -> None:
    platform, store = FakePlatform(), MemoryStore()
    async with open_gateway(tmp_path, platform, provider=ScriptedProvider(echo), store=store):
        platform.failures = [Failure("transient", "connection refused", retry_after=0.01)] * 5
        platform.say("Hi")
        assert await ended(store, 1) == {"delivered": 1}
    assert list(platform.shown.values()) == ["re: Hi"]


@pytest.mark.parametrize("fault", ["refuse", "half-open", "deaf"])
async def test_what_was_said_and_answered_during_a_fault_arrives_after_it(
    fault: Any, tmp_path: Path
) -> None:
    platform, store = FakePlatform(PlatformLimits(keyed=True)), MemoryStore()
    async with open_gateway(
        tmp_path,
        platform,
        provider=ScriptedProvider(*[echo] * 3),
        store=store,
        settings={"busy": "queue"},
    ) as gateway:
        platform.say("before")
        await platform.said(1)
        platform.fault(fault)
        platform.say("during")
        await asyncio.sleep(0.2)
        platform.heal()
        platform.say("after")
        assert await platform.said(3, 10) == ["re: before", "re: during", "re: after"]
        assert gateway.status()["fake"]["state"] == "running"


async def test_a_draft_of_a_turn_that_was_cut_is_replaced_by_the_reply(tmp_path: Path) -> None:
    platform, store = FakePlatform(PlatformLimits(edits=True)), MemoryStore()
    cut = ScriptedProvider(Say("Half an answer", hold=asyncio.Event(), hold_after=1))
    async with open_gateway(
        tmp_path,
        platform,
        provider=cut,
        store=store,
        settings={"drain": 0.05},
    ):
        platform.say("Hi")
        assert await platform.said(1) == ["Half"]
    whole = ScriptedProvider("A whole answer")
    async with open_gateway(tmp_path, platform, provider=whole, store=store):
        assert await ended(store, 1) == {"delivered": 1}
    assert list(platform.shown.values()) == ["A whole answer"]


async def test_a_draft_that_nobody_can_find_again_makes_the_reply_a_repeat(tmp_path: Path) -> None:
    class Forgets(FakePlatform):
        async def recall(self, part: Part) -> str:
            return ""

    platform, store = Forgets(PlatformLimits(edits=True)), MemoryStore()
    platform.fault("drop")
    hold = asyncio.Event()
    provider = ScriptedProvider(Say("A whole answer", hold=hold, hold_after=1))
    async with open_gateway(tmp_path, platform, provider=provider, store=store):
        platform.say("Hi")
        await platform.said(1)
        await asyncio.sleep(0.2)  # its client has given up
        platform.heal()
        hold.set()
        assert await ended(store, 1) == {"delivered:repeated": 1}
    assert list(platform.shown.values()) == ["A", f"{REPEATED}A whole answer"]


async def test_no_draft_is_shown_before_the_reply_to_what_came_earlier(tmp_path: Path) -> None:
    platform, store = FakePlatform(PlatformLimits(edits=True)), MemoryStore()
    wait = Failure("rate_limit", "slow down", retry_after=0.3)
    platform.failures = [wait, wait, wait]  # the first draft and two attempts at its reply
    async with open_gateway(
        tmp_path,
        platform,
        provider=ScriptedProvider(echo, echo),
        store=store,
        settings={"busy": "queue"},
    ):
        platform.say("one")
        platform.say("two")
        await ended(store, 2)
    assert list(platform.shown.values()) == ["re: one", "re: two"]


async def test_each_message_is_worked_on_once_however_often_and_by_what_way_it_comes(
    tmp_path: Path,
) -> None:
    class TwoWays(FakePlatform):
        """A webhook and a poll at once: both bring everything."""

        async def run(self, inbox: Inbox) -> None:
            ways = [asyncio.ensure_future(super(TwoWays, self).run(inbox)) for _ in range(2)]
            try:
                await asyncio.gather(*ways)
            finally:
                for way in ways:
                    way.cancel()

    store, chance = MemoryStore(), Random(3)
    provider = ScriptedProvider(*[echo] * 100)
    turns: set[str] = set()
    for life in range(4):
        platform = TwoWays(copies=chance.randint(1, 4), shuffle=chance)
        for number in range(10 * life + 10):  # what an earlier life had comes again
            platform.say(f"{number}", chat=f"{number % 3}", id=f"m{number}")
        store.disk.states.clear()  # the cursor is lost as well
        async with open_gateway(
            tmp_path,
            platform,
            provider=provider,
            store=store,
            settings={"busy": "queue"},
        ):
            await ended(store, 10 * life + 10, 20)
            assert len(platform.sent) == 10
    async for record in records(store):
        turns.add(record.turn)
    assert len(turns) == len(provider.requests) == 40
    assert ends(store, "inbox") == {"answered": 40}


async def records(store: MemoryStore) -> Any:
    for info in await store.sessions():
        for record in await store.records(info.id):
            if isinstance(record.body, UserSaid):
                yield record


async def test_it_is_kept_at_once_though_the_loop_and_every_turn_is_busy(tmp_path: Path) -> None:
    """Confirming an update waits for the journal alone, never for a turn."""
    platform, store, hold = FakePlatform(), MemoryStore(), asyncio.Event()
    provider = ScriptedProvider(*[Say("later", hold=hold)] * 30)
    async with open_gateway(
        tmp_path,
        platform,
        provider=provider,
        store=store,
        settings={"drain": 0.05},
    ):
        for number in range(30):
            platform.say("Hi", chat=str(number))
        async with asyncio.timeout(5):
            while ends(store, "inbox")[""] < 30:
                await asyncio.sleep(0.01)
        assert platform.sent == []
        hold.set()
        await platform.said(30)
    assert len(platform.sent) == 30
