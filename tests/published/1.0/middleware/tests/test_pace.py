"""Whole conversations, with a clock of the test's own."""

from __future__ import annotations

from pathlib import Path

from hermes import SessionKey, TurnFinished
from hermes.testing import MakeContext, ScriptedProvider, make_key, open_runtime

from hermes_plugin_old_middleware.pace import Pace
from hermes_plugin_old_middleware.settings import Settings


async def test_a_conversation_that_is_too_fast_waits_alone(
    tmp_path: Path, plugin_context: MakeContext
) -> None:
    context = plugin_context("old-middleware", settings=Settings(turns=2))
    pace = Pace(context)
    now = 1000.0
    pace.clock = lambda: now
    model = ScriptedProvider(*["Yes."] * 4)

    async with open_runtime(tmp_path, provider=model, middleware=[pace]) as runtime:

        async def say(key: SessionKey) -> TurnFinished:
            events = [event async for event in runtime.session(key).send("Are you there?")]
            assert isinstance(events[-1], TurnFinished)
            return events[-1]

        fast, other = make_key(), make_key()
        statuses = [(await say(fast)).status for _ in range(2)]
        now += 10
        refused = await say(fast)
        beside = await say(other)
        now += 51
        later = await say(fast)

    assert statuses == ["ok", "ok"]
    assert refused.status == "blocked"
    assert refused.reply == "⏳ 2 messages a minute are enough. Try again in 50 s."
    assert beside.status == later.status == "ok"
    assert len(model.requests) == 4
