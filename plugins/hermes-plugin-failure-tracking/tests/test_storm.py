"""A storm of messages to a conversation that cannot succeed (pain point 12), in whole turns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hermes import AgentEvicted, Event, TurnFinished
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


@pytest.fixture
async def runtime(
    tmp_path: Path, plugin_context: MakeContext, provider: ScriptedProvider
) -> AsyncIterator[Any]:
    tracking = FailureTracking(plugin_context("failure-tracking"))
    links = [AllowAll(), tracking]
    async with open_runtime(tmp_path, provider=provider, middleware=links) as runtime:
        yield runtime


async def say(conversation: Any, text: str = "Hello") -> TurnFinished:
    events: list[Event] = [event async for event in conversation.send(text)]
    assert not [event for event in events if isinstance(event, AgentEvicted)]
    last = events[-1]
    assert isinstance(last, TurnFinished)
    return last


async def test_after_three_failures_no_model_is_called(
    runtime: Any, provider: ScriptedProvider
) -> None:
    provider.will(*[BAD] * 100)
    stuck = runtime.session(make_key("stuck"))
    ends = [await say(stuck) for _ in range(100)]
    assert [end.status for end in ends] == ["failed"] * 3 + ["blocked"] * 97
    assert {end.reply for end in ends[3:]} == {SENTENCE}
    assert len(provider.requests) == 3
    assert provider.opened == 1


async def test_others_are_not_touched_and_reset_recovers(
    runtime: Any, provider: ScriptedProvider
) -> None:
    provider.will(BAD, BAD, BAD, "Hello, other.", "Hello again.")
    stuck, other = runtime.session(make_key("stuck")), runtime.session(make_key("other"))
    for _ in range(5):
        await say(stuck)
    assert (await say(other)).reply == "Hello, other."
    assert (await say(await stuck.new())).reply == "Hello again."
    assert (await say(stuck)).status == "blocked"


async def test_another_model_or_a_changed_configuration_recovers(
    runtime: Any, provider: ScriptedProvider
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
    runtime: Any, provider: ScriptedProvider
) -> None:
    provider.will(*[Fail("rate_limit", status=429)] * 100, "At last.")
    stuck = runtime.session(make_key("stuck"))
    assert {(await say(stuck)).status for _ in range(100)} == {"failed"}
    assert (await say(stuck)).reply == "At last."
