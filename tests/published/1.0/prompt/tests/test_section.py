"""What the model is told."""

from __future__ import annotations

from pathlib import Path

from hermes import PluginContext
from hermes.testing import MakeContext, ScriptedProvider, make_key, open_runtime

from hermes_plugin_old_prompt.section import HouseRules
from hermes_plugin_old_prompt.settings import Settings


async def prompt(home: Path, context: PluginContext) -> str:
    """Give the system prompt of a conversation that has just begun."""
    model = ScriptedProvider("Hello.")
    offers = {"prompts": {"old-prompt": HouseRules(context)}}
    async with open_runtime(home, provider=model, offers=offers) as runtime:
        async for _ in runtime.session(make_key()).send("Hello"):
            pass
    return model.requests[0].prompt


async def test_the_rules_stand_in_the_prompt(tmp_path: Path, plugin_context: MakeContext) -> None:
    settings = Settings(("Answer in British English.", "Use metric units."))
    context = plugin_context("old-prompt", settings=settings)

    said = await prompt(tmp_path, context)

    assert said == "# Rules of the house\n- Answer in British English.\n- Use metric units."


async def test_without_rules_there_is_no_section(
    tmp_path: Path, plugin_context: MakeContext
) -> None:
    context = plugin_context("old-prompt", settings=Settings())

    assert await prompt(tmp_path, context) == ""
