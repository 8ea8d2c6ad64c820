"""Whole turns through the real gate: order, overlap, stop, and news of the background."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from hermes import ToolFinished, ToolProgress, TurnFinished
from hermes.testing import (
    AllowAll,
    Call,
    FakeBackend,
    Say,
    ScriptedProvider,
    make_context,
    make_key,
    open_runtime,
)
from hermes_plugin_shell.news import News
from hermes_plugin_shell.processes import load
from hermes_plugin_shell.settings import ShellSettings
from hermes_plugin_shell.shell import Shell

KERNEL = SimpleNamespace(terminal=SimpleNamespace(timeout=20))


def calls(*commands: str, **more) -> Say:
    """The model asks for these commands in one answer."""
    return Say(
        calls=tuple(
            Call("terminal", json.dumps({"command": command, **more})) for command in commands
        )
    )


@pytest.fixture
async def open_shell(tmp_path: Path):
    """Open a runtime whose model answers by script and has the shell's tools."""
    context = make_context(
        "shell",
        home=tmp_path / "home",
        settings=ShellSettings(),
        sections={"hermes": KERNEL},
    )
    shell = Shell(context)

    def open_(*script):
        return open_runtime(
            tmp_path / "home",
            provider=ScriptedProvider(*script),
            tools=shell.last_seen(),
            middleware=[AllowAll(), News(context)],
            offers={"terminals": {"fake": FakeBackend(tmp_path)}},
        )

    open_.context = context
    yield open_
    await shell.close()


async def say(runtime, key, text: str) -> list:
    return [event async for event in runtime.session(key).send(text)]


def results(events) -> list[str]:
    return [event.text for event in events if isinstance(event, ToolFinished)]


async def test_commands_that_change_something_run_in_order_from_each_other_s_state(
    open_shell,
) -> None:
    script = calls("mkdir a && cd a", "export N=1", "echo $PWD $N; echo x > f", "cat f"), "Done."
    async with open_shell(*script) as runtime:
        events = await say(runtime, make_key(), "Go")
    said = results(events)
    assert "/a 1\n" in said[2]
    assert said[3].startswith("x\n")
    assert events[-1].status == "ok"


async def test_harmless_commands_overlap_and_leave_the_state_alone(open_shell) -> None:
    script = calls(*["sleep 1"] * 5), calls("pwd; echo $N"), "Done."
    async with open_shell(*script) as runtime:
        began = time.monotonic()
        events = await say(runtime, make_key(), "Go")
        took = time.monotonic() - began
    assert took < 4  # five seconds one after the other
    assert all(text.startswith("[exit 0, 1.") for text in results(events)[:5])


async def test_stop_ends_the_command_and_the_next_message_works(open_shell) -> None:
    key = make_key()
    async with open_shell(calls("echo begun; sleep 30; touch never"), "Fine.") as runtime:
        conversation = runtime.session(key)
        ended: list = []
        async with asyncio.timeout(10):
            async for event in conversation.send("Go"):
                if isinstance(event, ToolProgress):
                    assert event.text == "begun\n"
                    assert await conversation.stop()
                if isinstance(event, TurnFinished):
                    ended.append(event.status)
        assert ended == ["cancelled"]
        assert (await say(runtime, key, "And now?"))[-1].reply == "Fine."


async def test_the_next_turn_hears_of_a_process_that_ended(open_shell) -> None:
    script = calls("exit 5", background=True, notify_on_complete=True), "Started.", "I see."
    key = make_key()
    async with open_shell(*script) as runtime:
        await say(runtime, key, "Start it")
        conversation = await runtime.conversation(key)
        async with asyncio.timeout(10):
            while not await ended(open_shell.context, conversation.info.id):
                await asyncio.sleep(0.01)
        await say(runtime, key, "Well?")
        said = [message.text for message in await conversation.messages()]
    assert any("Well?" in text and "(exit 5) ended with exit code 5]" in text for text in said)


async def ended(context, session: str) -> bool:
    return any(one.exit_code is not None for one in (await load(context, session)).values())
