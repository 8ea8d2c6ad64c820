"""Whole turns: the real loop, gate, questions and journal around the policy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import pytest

from hermes import READ, Asked, Authority, Event, ToolCall, ToolFinished, TurnFinished, tool
from hermes.testing import (
    Call,
    FakeBackend,
    MemoryStore,
    Say,
    ScriptedProvider,
    make_key,
    open_runtime,
)
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_approvals.policy import Approvals
from hermes_plugin_approvals.settings import Settings

ran: list[str] = []


@tool(needs={"run"})
async def terminal(command: Annotated[str, "What to run"]) -> str:
    """Run a command."""
    ran.append(command)
    return f"ran {command}"


@tool(effect=READ, needs={"read"}, paths=lambda arguments: (arguments["path"],))
async def read_file(path: str, *, call: ToolCall) -> str:
    """Read a file."""
    return (await (await call.terminal()).read(path)).decode()


def asks(*commands: str) -> Say:
    return Say(calls=tuple(Call("terminal", f'{{"command":"{command}"}}') for command in commands))


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@pytest.fixture
def opened(tmp_path: Path, plugin_context: MakeContext) -> Any:
    """Open a runtime whose only policy is this plugin; again on the same store plays a restart."""
    store, context = MemoryStore(), plugin_context("approvals", settings=Settings())

    def make(provider: ScriptedProvider, *, policy: bool = True) -> Any:
        return open_runtime(
            tmp_path,
            provider=provider,
            store=store,
            tools=[terminal, read_file],
            middleware=[Approvals(context)] if policy else [],
            offers={"terminals": {"fake": FakeBackend(tmp_path / "terminals")}},
        )

    return make


async def answering(
    runtime: Any, events: AsyncIterator[Event], answers: dict[str, str]
) -> list[Event]:
    """Hear a turn, and answer each question by what it is about."""
    heard: list[Event] = []
    async for event in events:
        heard.append(event)
        if isinstance(event, Asked):
            choice = next(choice for part, choice in answers.items() if part in event.text)
            assert await runtime.answer(event.id, choice)
            assert not await runtime.answer(event.id, "always")  # spent
    return heard


def results(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, ToolFinished)]


ANN = Authority("cli", role="owner", can_ask=True)


async def test_without_the_policy_no_tool_runs(opened: Any) -> None:
    async with opened(ScriptedProvider(asks("make"), "Denied."), policy=False) as runtime:
        conversation = runtime.session(make_key())
        events = [event async for event in conversation.send("Build", authority=ANN)]

    assert not ran
    assert "plugins enable approvals" in results(events)[0]


async def test_a_person_decides_and_the_model_goes_on_either_way(opened: Any) -> None:
    provider = ScriptedProvider(asks("make", "deploy"), "Built, not deployed.")
    async with opened(provider) as runtime:
        events = await answering(
            runtime,
            runtime.session(make_key()).send("Build and deploy", authority=ANN),
            {"make": "once", "deploy": "deny"},
        )

    assert ran == ["make"]
    assert "denied by owner" in results(events)[1]
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].reply == "Built, not deployed."


async def test_always_is_asked_once_for_both_lives_of_the_program(opened: Any) -> None:
    key = make_key()
    for answers in ({"make": "always"}, {}):
        async with opened(ScriptedProvider(asks("make"), "Built.")) as runtime:
            conversation = runtime.session(key)
            events = await answering(runtime, conversation.send("Build", authority=ANN), answers)
            assert results(events) == ["ran make"]


async def test_where_nobody_can_be_asked_the_turn_ends_and_says_so(opened: Any) -> None:
    cron = Authority("cron", role="owner", can_ask=False)
    async with opened(ScriptedProvider(asks("make"), "I may not.")) as runtime:
        async with asyncio.timeout(10):
            events = [e async for e in runtime.session(make_key()).send("Build", authority=cron)]

    assert not ran
    assert "nobody can be asked here (cron)" in results(events)[0]
    assert not [event for event in events if isinstance(event, Asked)]


async def test_a_file_of_the_workspace_is_read_unasked_and_one_outside_is_asked_about(
    opened: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "notes.txt").write_text("remember the milk")
    (folder / "link").symlink_to("/etc/hostname")
    calls = Say(calls=tuple(
        Call("read_file", f'{{"path":"{folder}/{name}"}}') for name in ("notes.txt", "link")
    ))  # fmt: skip
    async with opened(ScriptedProvider(calls, "Done.")) as runtime:
        conversation = await runtime.conversation(make_key(), directory=str(folder))
        events = await answering(
            runtime, conversation.send("Read", authority=ANN), {"link": "deny"}
        )

    said = results(events)
    assert said[0] == "remember the milk"
    assert "read_file was denied" in said[1]


async def test_a_policy_that_breaks_runs_nothing(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong while a call is judged: the call does not run, and the turn goes on."""

    async def breaks(self: Any, call: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr("hermes_plugin_approvals.judging.Judge.__call__", breaks)
    provider = ScriptedProvider(asks("ls"), "So be it.")
    async with opened(provider) as runtime:
        conversation = runtime.session(make_key())
        authority = Authority("cli", role="owner", can_ask=True, yolo=True)
        events = [event async for event in conversation.send("go", authority=authority)]
    assert not ran
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert finished.is_error
    assert "Not run" in finished.text
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].reply == "So be it."
