"""What is tried again, when, and how often; then whole turns."""

from __future__ import annotations

import asyncio
import itertools
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hermes import (
    Event,
    Failed,
    FailureKind,
    ModelRequest,
    ModelResponse,
    Notice,
    StreamRestarted,
    TextChunk,
    TurnFinished,
)
from hermes.testing import (
    AllowAll,
    Events,
    Fail,
    Say,
    ScriptedProvider,
    make_context,
    make_key,
    make_request,
    open_runtime,
)
from hermes_plugin_retry.retry import LIMIT, Retry
from hermes_plugin_retry.settings import Settings

KINDS: tuple[FailureKind, ...] = typing.get_args(FailureKind)
BUSY = Fail("rate_limit", "Too many requests.")


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.runs = asyncio.Event()
        self.runs.set()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        until = self.now + seconds
        await self.runs.wait()
        self.now = max(self.now, until)


class Endpoint(ScriptedProvider):
    """Notes when each request came."""

    def __init__(self, time: Time, *answers: Any) -> None:
        super().__init__(*answers)
        self.time = time
        self.times: list[float] = []

    async def __call__(self, request: ModelRequest) -> ModelResponse:
        self.times.append(self.time.now)
        return await self.stream(request)


@pytest.fixture
def time() -> Time:
    return Time()


def retry(time: Time, home: Path, chance: float = 0.0, **settings: Any) -> Retry:
    context = make_context("retry", home=home, settings=Settings(**settings))
    return Retry(context, clock=time, sleep=time.sleep, chance=lambda: chance)


@pytest.mark.parametrize("kind", KINDS)
async def test_only_what_may_pass_is_tried_again(
    kind: FailureKind, time: Time, tmp_path: Path
) -> None:
    endpoint = Endpoint(time, *[Fail(kind)] * 10)
    with pytest.raises(Failed) as failed:
        await retry(time, tmp_path).model(make_request(), endpoint)
    passes = kind in ("rate_limit", "timeout", "transient")
    assert len(endpoint.times) == (4 if passes else 1)
    assert failed.value.failure.kind == kind


async def test_waits_double_up_to_the_cap_and_vary_by_half_at_most(
    time: Time, tmp_path: Path
) -> None:
    for chance, factor in ((0.0, 1.0), (1.0, 1.5)):
        time.slept.clear()
        one = retry(time, tmp_path, chance, retries=7)
        with pytest.raises(Failed):
            await one.model(make_request(), Endpoint(time, *[Fail("transient")] * 10))
        assert time.slept == [factor * s for s in (2, 4, 8, 16, 32, 60, 60)]


@given(asked=st.floats(0.01, 600), chance=st.floats(0, 1))
async def test_a_vendor_is_never_asked_before_the_time_it_said(asked: float, chance: float) -> None:
    time = Time()
    endpoint = Endpoint(time, Fail("rate_limit", retry_after=asked), "Hello.")
    response = await retry(time, Path("/nowhere"), chance).model(make_request(), endpoint)
    assert response.text == "Hello."
    first, second = endpoint.times
    assert asked <= second - first + 1e-6 <= 1.5 * asked + 1e-3


async def test_a_longer_wait_than_the_longest_fails_at_once_for_everybody(
    time: Time, tmp_path: Path
) -> None:
    one = retry(time, tmp_path)
    endpoint = Endpoint(time, Fail("rate_limit", "Come back tomorrow", retry_after=3600), "Hello.")
    for _ in range(20):
        with pytest.raises(Failed, match="tomorrow") as failed:
            await one.model(make_request(), endpoint)
        time.now += 10
    assert len(endpoint.times) == 1
    assert time.slept == []
    assert failed.value.failure.retry_after == pytest.approx(3600 - 190)
    time.now += 3600
    assert (await one.model(make_request(), endpoint)).text == "Hello."


async def test_conversations_share_the_pause_but_not_with_other_models(
    time: Time, tmp_path: Path
) -> None:
    one = retry(time, tmp_path)
    endpoint = Endpoint(time, Fail("rate_limit", retry_after=30), "Other.", "First.", "Second.")
    time.runs.clear()
    first = asyncio.ensure_future(one.model(make_request(), endpoint))
    await endpoint.asked(1)
    other = await one.model(make_request(model="fake:other"), endpoint)
    assert other.text == "Other."
    second = asyncio.ensure_future(one.model(make_request(), endpoint))
    await asyncio.sleep(0)
    time.runs.set()
    await asyncio.gather(first, second)
    assert endpoint.times[0] == endpoint.times[1] == 1000.0
    assert min(endpoint.times[2:]) >= 1030.0


async def test_what_vendors_asked_for_is_forgotten_past_a_limit(time: Time, tmp_path: Path) -> None:
    one = retry(time, tmp_path, retries=0)
    for number in range(LIMIT + 10):
        endpoint = Endpoint(time, Fail("rate_limit", retry_after=60))
        with pytest.raises(Failed):
            await one.model(make_request(model=f"fake:{number}"), endpoint)
    assert len(one._pauses) == LIMIT


async def test_text_that_was_shown_is_taken_back_before_the_next_try(
    time: Time, tmp_path: Path
) -> None:
    heard = Events()
    endpoint = Endpoint(time, Say("Half an ans", cut=True), "Whole.")
    await retry(time, tmp_path).model(make_request(emit=heard), endpoint)
    kinds = [type(event) for event in heard if not isinstance(event, Notice)]
    assert [kind for kind, _ in itertools.groupby(kinds)] == [TextChunk, StreamRestarted, TextChunk]
    assert {chunk.attempt for chunk in heard.of(TextChunk)} == {0, 1}


async def test_text_that_cannot_be_taken_back_is_not_said_twice(time: Time, tmp_path: Path) -> None:
    endpoint = Endpoint(time, Say("Half an ans", cut=True), "Whole.")
    with pytest.raises(Failed, match="cut"):
        await retry(time, tmp_path).model(make_request(retractable=False), endpoint)
    endpoint = Endpoint(time, Fail("transient"), "Whole.")
    response = await retry(time, tmp_path).model(make_request(retractable=False), endpoint)
    assert response.text == "Whole."


async def test_the_person_hears_of_long_waits_only(time: Time, tmp_path: Path) -> None:
    heard = Events()
    endpoint = Endpoint(time, BUSY, BUSY, Fail("rate_limit", "Slow down.", retry_after=40), "Hi.")
    await retry(time, tmp_path).model(make_request(emit=heard), endpoint)
    notices = [notice.text for notice in heard.of(Notice)]
    assert notices == ["Slow down. Trying again in 40 s (3 of 3)."]


async def test_a_wait_ends_when_the_person_says_stop(tmp_path: Path) -> None:
    provider = ScriptedProvider(Fail("rate_limit", retry_after=300), "Never said.")
    links = [AllowAll(), Retry(make_context("retry", home=tmp_path))]
    async with open_runtime(tmp_path, provider=provider, middleware=links) as runtime:
        conversation = runtime.session(make_key())
        async with asyncio.timeout(5):
            events: list[Event] = []
            async for event in conversation.send("Hello"):
                events.append(event)
                if isinstance(event, Notice):
                    await conversation.stop()
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].status == "cancelled"
    assert len(provider.requests) == 1


async def test_a_turn_survives_a_bad_moment_of_its_vendor(time: Time, tmp_path: Path) -> None:
    provider = ScriptedProvider(Fail("timeout"), Say("Hel", cut=True), BUSY, "Hello there.")
    links = [AllowAll(), retry(time, tmp_path)]
    async with open_runtime(tmp_path, provider=provider, middleware=links) as runtime:
        conversation = runtime.session(make_key())
        events = [event async for event in conversation.send("Hello")]
        messages = await conversation.messages()
    last = events[-1]
    assert isinstance(last, TurnFinished)
    assert (last.status, last.reply) == ("ok", "Hello there.")
    assert last.usage.calls == 1
    assert [spec.attempt for spec in provider.requests] == [0, 1, 2, 3]
    assert len({spec.messages for spec in provider.requests}) == 1
    assert [message.role for message in messages] == ["user", "assistant"]
