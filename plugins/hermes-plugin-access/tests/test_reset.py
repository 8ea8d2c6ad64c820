"""When a message begins a new conversation by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hermes.testing import MemoryState
from hermes_plugin_access.reset import LIMIT
from hermes_plugin_access.settings import SessionReset

HOUR = 3600


async def fresh(door: Any, text: str = "Hello", **fields: Any) -> bool:
    await door.say(text, **fields)
    return door.admitted[-1].fresh


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


async def test_never_unless_that_is_asked_for(make_door: Any, clock: Any) -> None:
    door = make_door(allow={"telegram": "*"})
    for _ in range(3):
        assert not await fresh(door)
        clock.now += 30 * 24 * HOUR
    assert door.context.state.values == {}


async def test_idle_begins_anew_after_the_time_without_a_message(
    make_door: Any, clock: Any
) -> None:
    door = make_door(allow={"telegram": "*"}, reset=SessionReset("idle", idle_minutes=60))
    assert not await fresh(door)
    clock.now += 59 * 60
    assert not await fresh(door)
    clock.now += 61 * 60
    assert await fresh(door)
    assert door.admitted[-1].notice == (
        "🕓 This is a new conversation: the last message was 1 hour ago."
        " /resume goes back to the one before."
    )
    assert not await fresh(door)
    assert door.admitted[-1].notice == ""
    assert not await fresh(door, user="2"), "another chat"


@pytest.mark.parametrize(
    ("last", "now", "zone", "anew"),
    [
        ("2025-06-15 03:59", "2025-06-15 04:01", "UTC", True),
        ("2025-06-15 04:01", "2025-06-16 03:59", "UTC", False),
        ("2025-06-15 04:01", "2025-06-16 04:00", "UTC", True),
        ("2025-06-15 01:59", "2025-06-15 02:01", "Europe/Berlin", True),
        ("2025-06-15 03:59", "2025-06-15 04:01", "Europe/Berlin", False),
    ],
)
async def test_daily_begins_anew_at_the_hour_in_the_persons_zone(
    make_door: Any, clock: Any, last: str, now: str, zone: str, anew: bool
) -> None:
    door = make_door(allow={"telegram": "*"}, reset=SessionReset("daily"), timezone=zone)
    clock.now = at(last)
    await door.say()
    clock.now = at(now)
    assert await fresh(door) is anew


async def test_both_means_whichever_is_first(make_door: Any, clock: Any) -> None:
    reset = SessionReset("both", idle_minutes=60)
    door = make_door(allow={"telegram": "*"}, reset=reset)
    clock.now = at("2025-06-15 12:00")
    await door.say()
    clock.now = at("2025-06-15 13:01")
    assert await fresh(door)
    clock.now = at("2025-06-16 03:50")
    assert await fresh(door)
    clock.now = at("2025-06-16 04:10")
    assert await fresh(door)


async def test_commands_and_answers_are_given_in_the_old_conversation(
    make_door: Any, clock: Any
) -> None:
    door = make_door(allow={"telegram": "*"}, reset=SessionReset("idle", idle_minutes=60))
    await door.say()
    clock.now += 2 * HOUR
    assert not await fresh(door, "/status")
    assert not await fresh(door, "once", answers="q1")
    assert await fresh(door, "Hello")


async def test_it_outlives_a_restart_and_errs_towards_going_on(make_door: Any, clock: Any) -> None:
    state = MemoryState()
    reset = SessionReset("idle", idle_minutes=60)
    door = make_door(allow={"telegram": "*"}, reset=reset, state=state)
    for _ in range(30):
        await door.say()
        clock.now += 10
    assert len(state.values) == 1
    clock.now += 59 * 60
    assert not await fresh(make_door(allow={"telegram": "*"}, reset=reset, state=state))
    clock.now += 67 * 60
    assert await fresh(make_door(allow={"telegram": "*"}, reset=reset, state=state))


async def test_the_person_is_told_only_where_that_is_wanted(make_door: Any, clock: Any) -> None:
    for reset, platform in (
        (SessionReset("idle", notify=False), "telegram"),
        (SessionReset("idle"), "webhook"),
    ):
        door = make_door(allow={platform: "*"}, reset=reset)
        await door.say(platform=platform)
        clock.now += 25 * HOUR
        assert await fresh(door, platform=platform)
        assert door.admitted[-1].notice == ""


async def test_what_it_keeps_in_memory_is_bounded(make_door: Any, clock: Any) -> None:
    door = make_door(allow={"telegram": "*"}, reset=SessionReset("idle", idle_minutes=60))
    for number in range(LIMIT + 20):
        await door.say(user=str(number))
    assert len(door.access.reset._seen) == LIMIT
    clock.now += 2 * HOUR
    assert await fresh(door, user="0"), "read from the journal"
