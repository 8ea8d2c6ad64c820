"""What is written of whole turns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hermes import READ, tool
from hermes.testing import Call, MakeContext, Say, ScriptedProvider, make_key, open_runtime

from hermes_plugin_old_observer.observer import TurnLog


@tool(effect=READ, needs=frozenset())
async def look() -> str:
    """Look around, to see what there is."""
    return "an oak"


async def lines(tmp_path: Path, plugin_context: MakeContext, *answers: Say) -> list[Any]:
    """Run a turn for each answer without a call, and give what was written."""
    context = plugin_context("old-observer")
    offers = {"observers": {"old-observer": TurnLog(context)}}
    model = ScriptedProvider(*answers)
    async with open_runtime(tmp_path, provider=model, tools=[look], offers=offers) as runtime:
        conversation = runtime.session(make_key())
        for _ in range(sum(not answer.calls for answer in answers)):
            async for _ in conversation.send("What is there?"):
                pass
    return [json.loads(line) for line in (context.paths.data / "turns.jsonl").open()]


async def test_a_turn_is_a_line(tmp_path: Path, plugin_context: MakeContext) -> None:
    first, second = await lines(
        tmp_path, plugin_context, Say(calls=(Call("look"),)), Say("An oak."), Say("Nothing more.")
    )

    assert first["status"] == "ok"
    assert first["tools"] == ["look"]
    assert first["model"] == "scripted:model"
    assert second["session"] == first["session"]
    assert second["tools"] == []


async def test_what_was_said_is_not_in_it(tmp_path: Path, plugin_context: MakeContext) -> None:
    (line,) = await lines(tmp_path, plugin_context, Say("A secret oak."))

    assert "oak" not in json.dumps(line)
