"""Beside each message, after each reply, by its tools; and nothing at all where it is off."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hermes import Authority, Failed, SessionInfo, SessionKey, Turn, TurnFinished, TurnResult
from hermes.testing import (
    AllowAll,
    Call,
    FakeContext,
    Say,
    ScriptedProvider,
    make_turn,
    open_runtime,
)
from hermes_plugin_honcho.client import named
from hermes_plugin_honcho.memory import HonchoMemory
from hermes_plugin_honcho.settings import Settings
from hermes_plugin_honcho.tools import HonchoTools

OK = TurnResult("ok", "Noted.")


def turn(text: str, person: str = "owner") -> Turn:
    session = SessionInfo("0197abcd:1234")
    return make_turn(text, session=session, authority=Authority("cli", person))


@pytest.fixture
async def memory(context: FakeContext) -> AsyncIterator[HonchoMemory]:
    made = HonchoMemory(context)
    await made.open()
    yield made
    await made.close()


async def test_a_conversation_is_told_and_recalled(memory: Any, honcho: Any) -> None:
    await memory.record(turn("My garden is full of foxgloves"), OK)
    assert [(m["peer_id"], m["content"]) for m in honcho.messages] == [
        ("owner", "My garden is full of foxgloves"),
        ("hermes", "Noted."),
    ]
    said = await memory.recall(turn("What grows in my garden?"))
    assert said.splitlines()[0].startswith("[Memory: what Honcho concludes about this person.")
    assert "foxgloves" in said
    assert await memory.recall(turn("What is 17*23?")) == ""


async def test_opening_asks_nothing_and_peers_are_made_once(memory: Any, honcho: Any) -> None:
    assert honcho.requests == []
    for _ in range(3):
        await memory.record(turn("My garden is full of foxgloves"), OK)
    made = [path for method, path, _ in honcho.requests if path.endswith(("/peers", "/sessions"))]
    assert len(made) == 3, "the person, Hermes, the session"


async def test_a_slow_one_costs_no_more_than_its_deadline_and_is_used_next_time(
    memory: Any, honcho: Any
) -> None:
    await memory.record(turn("My garden is full of foxgloves"), OK)
    honcho.delay = 0.6
    began = time.monotonic()
    assert await memory.recall(turn("What grows in my garden?")) == ""
    assert time.monotonic() - began < 0.3 * 5
    while memory._asking:
        await asyncio.sleep(0.02)
    assert "foxgloves" in await memory.recall(turn("What grows in my garden?"))


async def test_one_that_is_away_fails_no_turn(context: FakeContext, home: Path) -> None:
    context.settings = msgspec.structs.replace(context.settings, base_url="http://127.0.0.1:9")
    memory = HonchoMemory(context)
    provider = ScriptedProvider("Hello.")
    async with open_runtime(
        home,
        provider=provider,
        settings={"memory": "honcho"},
        offers={"memory": {"honcho": memory}},
    ) as runtime:
        events = [e async for e in runtime.session(SessionKey("cli", "x")).send("Hi")]
    assert isinstance(events[-1], TurnFinished) and events[-1].status == "ok"
    assert "Honcho did not answer" in context.log.text


async def test_a_wrong_key_is_one_line_with_the_mend(context: FakeContext, honcho: Any) -> None:
    context.secrets.values["env:HONCHO_API_KEY"] = "wrong"
    memory = HonchoMemory(context)
    await memory.open()
    with pytest.raises(Failed, match="set HONCHO_API_KEY") as caught:
        await memory.client.card("owner")
    assert caught.value.failure.kind == "auth"
    assert "wrong" not in str(caught.value)
    await memory.close()


async def test_forgetting_deletes_conclusions_card_and_sessions(memory: Any, honcho: Any) -> None:
    await memory.record(turn("I am married to Ximena"), OK)
    await memory.record(turn("My garden is full of foxgloves"), OK)
    honcho.peers["owner"] = ["Wife: Ximena", "Gardener"]
    for number in range(120):
        await memory.client.conclude("owner", f"{'Ximena' if number % 2 else 'Tea'} {number}", "")

    assert await memory.forget("owner", "ximena") == 1 + 60 + 1 + 1
    everything = str((honcho.messages, honcho.conclusions, honcho.peers))
    assert "Ximena" not in everything and "Gardener" in everything and "Tea 0" in everything
    assert await memory.forget("owner", "ximena") == 0


async def test_its_tools_work_in_a_turn(context: FakeContext, honcho: Any, home: Path) -> None:
    memory = HonchoMemory(context)
    context.config._sections["hermes"] = SimpleNamespace(memory="honcho")  # type: ignore[attr-defined]
    calls = (
        Call("honcho_conclude", '{"conclusion": "Likes tea"}'),
        Call("honcho_profile", "{}"),
        Call("honcho_search", '{"query": "garden"}'),
        Call("honcho_reasoning", '{"query": "What do they drink?"}'),
    )
    provider = ScriptedProvider("Noted.", Say(calls=calls), "Tea.")
    async with open_runtime(
        home,
        provider=provider,
        middleware=[AllowAll()],
        settings={"memory": "honcho"},
        offers={
            "memory": {"honcho": memory},
            "tools": {"honcho": HonchoTools(context)},
        },
    ) as runtime:
        honcho.peers["owner"] = ["Is called Ada"]
        conversation = runtime.session(SessionKey("cli", "x"))
        async for _ in conversation.send("My garden is full of foxgloves"):
            pass
        while not honcho.messages:
            await asyncio.sleep(0.02)
        async for _ in conversation.send("What do I drink?"):
            pass
    outputs = {part.name: part.text for part in provider.requests[-1].messages[-1].parts}
    assert "Is called Ada" in outputs["honcho_profile"]
    assert "foxgloves" in outputs["honcho_search"]
    assert "They like tea." in outputs["honcho_reasoning"]
    assert any(each["content"] == "Likes tea" for each in honcho.conclusions)


@pytest.mark.parametrize(
    ("chosen", "recall", "names"),
    [
        ("", "hybrid", 0),
        ("local", "hybrid", 0),
        ("honcho", "context", 0),
        ("honcho", "tools", 4),
        ("honcho", "hybrid", 4),
    ],
)
async def test_tools_are_there_only_where_honcho_is_the_memory(
    context: FakeContext, chosen: str, recall: Any, names: int
) -> None:
    context.settings = Settings(recall=recall)
    context.config._sections["hermes"] = SimpleNamespace(memory=chosen)  # type: ignore[attr-defined]
    assert len(await HonchoTools(context).tools()) == names


def test_off_it_costs_nothing(home: Path) -> None:
    """A conversation with Honcho installed and not chosen imports no SDK."""
    code = """
import asyncio, sys
from hermes.plugins import Host
from hermes.runtime import Runtime
async def main():
    async with Runtime.open(host=Host.open()) as runtime:
        await runtime.tools.gather()
        assert "honcho" not in {type(m).__module__.split(".")[0] for m in await runtime.memories()}
asyncio.run(main())
assert not {"honcho", "hermes_plugin_honcho.client"} & set(sys.modules), "imported"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("text", ["owner", "telegram:42", "ü", "", "x" * 300, "a/b"])
def test_ids_are_such_as_honcho_takes(text: str) -> None:
    import re

    assert re.fullmatch(r"[A-Za-z0-9_-]{1,100}", named(text))
    assert named(text) == named(text) and named(text) != named(text + "!")
