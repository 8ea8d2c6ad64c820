"""A storm of messages to a conversation that cannot succeed (pain point 12), in whole turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hermes import AgentEvicted, Event, Middleware, Observer, SessionInfo, TurnFinished
from hermes.testing import AllowAll, Fail, ScriptedProvider, make_key, open_runtime
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_failure_tracking.tracking import FailureTracking

BAD = Fail("bad_request", "The model `gpt-none` does not exist", status=400)
SENTENCE = (
    "⚠️ This session has failed 3 times in a row with a non-retryable error."
    " Use /reset to start a new session."
)


@pytest.fixture
async def provider() -> ScriptedProvider:
    return ScriptedProvider()


class Evictions(Observer):
    """Hears which agents are dropped, and why."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self._ended = asyncio.Event()

    async def observe(self, session: SessionInfo, event: Event) -> None:
        if isinstance(event, AgentEvicted):
            self.reasons.append(event.reason)
        elif isinstance(event, TurnFinished):
            self._ended.set()

    async def of(self, conversation: Any) -> tuple[TurnFinished, list[str]]:
        """Say hello; give the turn's end, and why agents were dropped until then."""
        self._ended.clear()
        self.reasons = []
        events: list[Event] = [event async for event in conversation.send("Hello")]
        await asyncio.wait_for(self._ended.wait(), 10)  # what it hears comes in order
        last = events[-1]
        assert isinstance(last, TurnFinished)
        return last, self.reasons


@pytest.fixture
def evictions() -> Evictions:
    return Evictions()


class Reroutes(Middleware):
    """Says of each answer that another model gave it, when told to."""

    on = False

    async def model(self, request: Any, call_next: Any) -> Any:
        return msgspec.structs.replace(await call_next(request), fallback=self.on)


@pytest.fixture
def reroutes() -> Reroutes:
    return Reroutes()


@pytest.fixture
async def runtime(
    tmp_path: Path,
    plugin_context: MakeContext,
    provider: ScriptedProvider,
    evictions: Evictions,
    reroutes: Reroutes,
) -> AsyncIterator[Any]:
    tracking = FailureTracking(plugin_context("failure-tracking"))
    async with open_runtime(
        tmp_path,
        provider=provider,
        middleware=[AllowAll(), reroutes, tracking],
        offers={"observers": {"evictions": evictions}},
    ) as runtime:
        yield runtime


@pytest.fixture
def say(evictions: Evictions) -> Any:
    """Give ``await say(conversation)``: a turn's end, during which no agent was dropped."""

    async def said(conversation: Any) -> TurnFinished:
        end, reasons = await evictions.of(conversation)
        assert reasons == []
        return end

    return said


async def test_after_three_failures_no_model_is_called(
    runtime: Any, provider: ScriptedProvider, say: Any
) -> None:
    provider.will(*[BAD] * 100)
    stuck = runtime.session(make_key("stuck"))
    ends = [await say(stuck) for _ in range(100)]
    assert [end.status for end in ends] == ["failed"] * 3 + ["blocked"] * 97
    assert {end.reply for end in ends[3:]} == {SENTENCE}
    assert len(provider.requests) == 3
    assert provider.opened == 1


async def test_others_are_not_touched_and_reset_recovers(
    runtime: Any, provider: ScriptedProvider, say: Any
) -> None:
    provider.will(BAD, BAD, BAD, "Hello, other.", "Hello again.")
    stuck, other = runtime.session(make_key("stuck")), runtime.session(make_key("other"))
    for _ in range(5):
        await say(stuck)
    assert (await say(other)).reply == "Hello, other."
    assert (await say(await stuck.new())).reply == "Hello again."
    assert (await say(stuck)).status == "blocked"


async def test_another_model_or_a_changed_configuration_recovers(
    runtime: Any, provider: ScriptedProvider, say: Any
) -> None:
    provider.will(BAD, BAD, BAD, "Other model.", BAD, "Mended.")
    stuck = runtime.session(make_key("stuck"))
    for _ in range(5):
        await say(stuck)
    await stuck.use_model("scripted:other")
    assert (await say(stuck)).reply == "Other model."
    await stuck.use_model("scripted:model")
    assert (await say(stuck)).status == "blocked"
    runtime.host.config.revision = "2"
    assert (await say(stuck)).status == "failed"
    assert (await say(stuck)).reply == "Mended."


async def test_a_storm_of_rate_limits_never_blocks(
    runtime: Any, provider: ScriptedProvider, say: Any
) -> None:
    provider.will(*[Fail("rate_limit", status=429)] * 100, "At last.")
    stuck = runtime.session(make_key("stuck"))
    assert {(await say(stuck)).status for _ in range(100)} == {"failed"}
    assert (await say(stuck)).reply == "At last."


async def test_an_agent_is_dropped_after_a_success_by_fallback_and_never_after_a_failure(
    runtime: Any, provider: ScriptedProvider, evictions: Evictions, reroutes: Reroutes
) -> None:
    """The first of these is what the others of this file would see if they dropped one."""
    provider.will("From another.", BAD, "From the first.")
    conversation = runtime.session(make_key("stuck"))
    reroutes.on = True
    assert (await evictions.of(conversation))[1] == ["fallback"]
    assert (await evictions.of(conversation))[1] == []
    reroutes.on = False
    assert (await evictions.of(conversation))[1] == []
