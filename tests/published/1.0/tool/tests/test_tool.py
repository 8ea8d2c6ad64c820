"""What the model gets, and a whole turn in which it calls the tool."""

from __future__ import annotations

from pathlib import Path

import pytest
from hermes import ToolFinished
from hermes.testing import (
    Call,
    MakeContext,
    Say,
    ScriptedProvider,
    make_call,
    make_key,
    open_runtime,
)

from hermes_plugin_old_tool.settings import Settings
from hermes_plugin_old_tool.tools import convert


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"value": 3, "unit": "m", "to": "ft"}, "3 m = 9.843 ft"),
        ({"value": "2", "unit": "kg", "to": "lb"}, "2 kg = 4.409 lb"),
        ({"value": 1, "unit": "m", "to": "kg"}, "m is a length and kg a weight."),
        ({"value": 1, "unit": "stone", "to": "kg"}, "There is no unit 'stone'."),
    ],
)
async def test_the_answer(
    plugin_context: MakeContext, arguments: dict[str, object], said: str
) -> None:
    context = plugin_context("old-tool", settings=Settings())

    result = await convert.run(make_call(convert, arguments, context=context))

    assert result.text.startswith(said)


async def test_the_decimals_are_settings(plugin_context: MakeContext) -> None:
    context = plugin_context("old-tool", settings=Settings(decimals=1))
    arguments = {"value": 3, "unit": "m", "to": "ft"}

    result = await convert.run(make_call(convert, arguments, context=context))

    assert result.text == "3 m = 9.8 ft"


async def test_a_model_calls_it(tmp_path: Path, plugin_context: MakeContext) -> None:
    asked = Call("old-tool", '{"value": 1, "unit": "mi", "to": "km"}')
    model = ScriptedProvider(Say(calls=(asked,)), "About 1.6 km.")
    context = plugin_context("old-tool", settings=Settings())

    async with open_runtime(tmp_path, provider=model, tools=[convert], context=context) as runtime:
        events = [event async for event in runtime.session(make_key()).send("A mile in km?")]

    finished = next(event for event in events if isinstance(event, ToolFinished))
    assert finished.text == "1 mi = 1.609 km"
