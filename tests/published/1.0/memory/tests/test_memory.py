"""What is remembered from one conversation to the next, and what is not."""

from __future__ import annotations

from pathlib import Path

from hermes import Authority, TurnResult
from hermes.testing import MakeContext, ScriptedProvider, make_key, make_turn, open_runtime

from hermes_plugin_old_memory.memory import FileMemory
from hermes_plugin_old_memory.settings import Settings


async def test_another_conversation_is_told(tmp_path: Path, plugin_context: MakeContext) -> None:
    context = plugin_context("old-memory", settings=Settings())
    memory = FileMemory(context)
    model = ScriptedProvider("Noted.", "Turquoise.")
    told, asked = "My favourite colour is turquoise", "What is my favourite colour?"

    offers = {"memory": {"old-memory": memory}}
    settings = {"memory": "old-memory"}

    for text in (told, asked):
        async with open_runtime(
            tmp_path, provider=model, offers=offers, settings=settings
        ) as runtime:
            async for _ in runtime.session(make_key()).send(text):
                pass

    sent = "".join(str(part) for part in model.requests[1].messages[-1].parts)
    assert asked in sent
    assert told in sent


async def test_the_oldest_go_first(plugin_context: MakeContext) -> None:
    context = plugin_context("old-memory", settings=Settings(lines=10, kept=3))
    memory = FileMemory(context)
    authority = Authority("cli", "ann")
    for number in range(5):
        said = make_turn(f"Number {number} is remembered", authority=authority)
        await memory.record(said, TurnResult("ok", "Noted."))

    recalled = await memory.recall(make_turn("What is remembered?", authority=authority))

    assert [line.split()[1] for line in recalled.splitlines()] == ["2", "3", "4"]
