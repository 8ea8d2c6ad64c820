"""AT-30: 100 turns through every kind of trouble that vendors make, on real HTTP.

The openai plugin talks to two endpoints; the first misbehaves, the second always answers. Retry,
fallback and failure tracking stand around it as installed. Time moves only by waiting, so the
schedule can be checked to the second.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hermes import Secret, TurnFinished
from hermes.testing import (
    AllowAll,
    Fail,
    OpenAIServer,
    Raw,
    Say,
    make_context,
    make_key,
    open_runtime,
)
from hermes_plugin_failure_tracking.tracking import FailureTracking
from hermes_plugin_fallback.fallback import Fallback
from hermes_plugin_openai.provider import OpenAIProvider
from hermes_plugin_openai.settings import OpenAISettings
from hermes_plugin_retry.retry import Retry
from hermes_plugin_retry.settings import Settings as RetrySettings

ERROR_BODY = b'{"error": {"message": "The upstream is overloaded", "type": "server_error"}}'
FINAL = {
    "402": Fail("quota", "Insufficient credit", status=402),
    "401": Fail("auth", status=401),
    "404": Fail("bad_request", "The model `gpt-none` does not exist", status=404),
}
PASSING = {
    "429": Fail("rate_limit", status=429),
    "429 and when": Fail("rate_limit", status=429, retry_after=7),
    "500": Fail("transient", status=500),
    "503": Fail("transient", status=503),
    "cut": Say("Half an ans", cut=True),
    "200 with an error": Raw(ERROR_BODY, content_type="application/json"),
}
TROUBLE: dict[str, Any] = {**FINAL, **PASSING, "fine": "I am the first."}


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


class Call(NamedTuple):
    turn: int
    time: float
    trouble: str


def provider(home: Path, url: str) -> OpenAIProvider:
    settings = OpenAISettings(base_url=url, api_key=Secret("env:TEST_KEY"))
    secrets = {"TEST_KEY": "sk-test"}
    return OpenAIProvider(make_context("openai", home=home, settings=settings, secrets=secrets))


async def say(runtime: Any, chat: str) -> TurnFinished:
    events = [event async for event in runtime.session(make_key(chat)).send("Hello")]
    assert isinstance(events[-1], TurnFinished)
    return events[-1]


@pytest.mark.parametrize("seed", range(3))
async def test_100_turns_of_trouble_all_end_well_and_keep_the_schedule(
    tmp_path: Path, seed: int
) -> None:
    chosen, time = random.Random(seed), Time()
    calls: list[Call] = []
    turn = 0

    def trouble(exchange: Any) -> Any:
        name = chosen.choice(list(TROUBLE)) if chosen.random() < 0.7 else "fine"
        calls.append(Call(turn, time.now, name))
        return TROUBLE[name]

    context = make_context("retry", home=tmp_path, settings=RetrySettings())
    sections = {"fallback": ["second:m"], "fallback_providers": [], "fallback_model": None}
    links = [
        AllowAll(),
        FailureTracking(make_context("failure-tracking", home=tmp_path)),
        Fallback(make_context("fallback", home=tmp_path, sections=sections), clock=time),
        Retry(context, clock=time, sleep=time.sleep, chance=chosen.random),
    ]
    async with (
        OpenAIServer(always=trouble) as first,
        OpenAIServer(always="I am the second.") as second,
    ):
        one, two = provider(tmp_path, first.url), provider(tmp_path, second.url)
        async with open_runtime(
            tmp_path, provider=one, middleware=links, offers={"providers": {"second": two}}
        ) as runtime:
            ends: list[TurnFinished] = []
            for turn in range(100):
                ends.append(await say(runtime, f"chat-{turn % 5}"))
                time.now += 60
            happened = list(calls)
            time.now += 3600
            first.always = "I am back."
            assert (await say(runtime, "chat-1")).reply == "I am back."
        assert first.connections <= 60  # those that were cut; the rest share one
        assert second.connections == 1

    assert {end.status for end in ends} == {"ok"}
    for number, end in enumerate(ends):
        mine = [call for call in happened if call.turn == number]
        answered = bool(mine) and mine[-1].trouble == "fine"
        assert end.fallback is not answered
        assert end.reply == ("I am the first." if answered else "I am the second.")
        assert len(mine) <= 4, "three retries at most"
        final = [call.trouble in FINAL for call in mine]
        assert not any(final[:-1]), "what cannot pass is tried once"
        for before, after in itertools.pairwise(mine):
            least = 7 if before.trouble == "429 and when" else 2
            assert after.time - before.time >= least, (before, after)
    for before, after in itertools.pairwise(happened):
        if before.trouble == "429 and when":
            assert after.time - before.time >= 7, "no conversation asks before that time"
    assert sum(end.fallback for end in ends) > 10
    assert sum(not end.fallback for end in ends) > 5


async def test_a_dead_endpoint_costs_few_calls_and_the_blame_is_its_own(tmp_path: Path) -> None:
    time = Time()
    sections = {"fallback": ["second:m"], "fallback_providers": [], "fallback_model": None}
    fallback = Fallback(make_context("fallback", home=tmp_path, sections=sections), clock=time)
    async with (
        OpenAIServer(always=FINAL["401"]) as first,
        OpenAIServer(always="I am the second.") as second,
    ):
        one, two = provider(tmp_path, first.url), provider(tmp_path, second.url)
        async with open_runtime(
            tmp_path,
            provider=one,
            middleware=[AllowAll(), fallback],
            offers={"providers": {"second": two}},
        ) as runtime:
            for number in range(100):  # a message a minute, each in a conversation of its own
                assert (await say(runtime, f"chat-{number}")).reply == "I am the second."
                time.now += 60
        assert len(first.requests) <= 9
        assert len(second.requests) == 100
