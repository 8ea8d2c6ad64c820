"""Servers that are child processes: calls, ends of every kind, and what is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hermes import EVERY_NEED, ONCE, READ, HermesError, Notice, ToolProgress

RAW = str(Path(__file__).parent / "programs" / "raw_server.py")


async def test_tools_of_an_sdk_server_are_listed_and_called(world: Any) -> None:
    toolset = world.sdk()

    tools = {tool.name: tool for tool in await toolset.tools()}
    echo = tools["mcp__sdk__echo"]
    result = await world.call(echo, text="grüße")

    assert json.loads(echo.spec.parameters)["required"] == ["text"]
    assert "[MCP server sdk] Say it again." in echo.spec.description
    assert (echo.effect, echo.needs) == (ONCE, EVERY_NEED)
    assert (result.text, result.is_error, result.source) == ("grüße", False, "mcp:sdk")


async def test_what_a_tool_answers_comes_whole(world: Any) -> None:
    toolset = world.sdk()

    picture = await world.run(toolset, "picture")
    big = await world.run(toolset, "big", size=3_000_000)
    point = await world.run(toolset, "point", x=1, y=2)
    slow = await world.run(toolset, "slow", seconds=0)

    assert picture.images[0].media_type == "image/png"
    assert len(big.text) == 3_000_000
    assert json.loads(point.text) == {"x": 1, "y": 2}
    assert slow.text == "done"
    assert [event.text for event in world.events.of(ToolProgress)] == ["1 of 2: half way\n"]


async def test_failures_of_tools_leave_the_connection_alone(world: Any) -> None:
    toolset = world.raw()
    before = await world.run(toolset, "pid")

    for _ in range(4):
        fail = await world.run(toolset, "fail")
        wrong = await world.run(toolset, "wrong")
        assert (fail.text, fail.is_error) == ("it did not work", True)
        assert wrong.is_error
        assert "that is wrong" in wrong.text

    assert (await world.run(toolset, "pid")).text == before.text
    assert (await world.run(toolset, "echo")).is_error  # bad arguments: the server raises
    assert "mcp server lost" not in world.log


@pytest.mark.parametrize(("way", "children"), [("die", "1"), ("close", "0")])
async def test_a_server_that_dies_fails_the_call_and_comes_back(
    world: Any, way: str, children: str
) -> None:
    toolset = world.raw("--children", children)  # which hold its pipes open
    first = await world.run(toolset, "pid")

    began = time.monotonic()
    result = await world.run(toolset, way)

    assert time.monotonic() - began < 5 * 2
    assert result.is_error
    assert result.unknown
    assert "not known" in result.text
    await world.until(lambda: "mcp server lost" in world.log)
    await world.until(lambda: toolset.server.state == "connected")
    assert (await world.run(toolset, "pid")).text != first.text
    assert world.children.most == 1


async def test_the_death_is_explained_by_code_and_last_words(world: Any) -> None:
    world.secrets["WORD"] = "fatal"
    toolset = world.raw(env={"WORD": "env:WORD"})
    await world.run(toolset, "die")
    await world.until(lambda: "mcp server lost" in world.log)

    assert "'it exited with code 7 and said: a [secret] mistake'" in world.log


async def test_a_killed_server_is_noticed_between_calls(world: Any) -> None:
    toolset = world.raw()
    pid = int((await world.run(toolset, "pid")).text)

    os.kill(pid, signal.SIGKILL)
    await world.until(lambda: "mcp server lost" in world.log)

    assert "'it was ended by signal 9'" in world.log


async def test_a_call_to_a_dead_server_says_when_it_is_tried_again(
    world: Any, tmp_path: Path
) -> None:
    family = world.family(
        {"raw": {"command": sys.executable, "args": [RAW, "--log", str(tmp_path / "log")]}},
        retry_first=30.0,
    )
    toolset = family.toolset("raw")
    pid = int((await world.run(toolset, "pid")).text)
    os.kill(pid, signal.SIGKILL)

    for _ in range(3):
        began = time.monotonic()
        result = await world.run(toolset, "echo", text="anybody?")
        assert time.monotonic() - began < 5 * 2
        assert result.is_error
    assert "server raw is down: it was ended by signal 9 (tried again in" in result.text
    assert len((tmp_path / "log").read_text().split()) == 1


async def test_a_server_that_cannot_start_is_tried_ever_more_rarely(
    world: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    toolset = world.raw("--log", str(log), "--crash-at-start", "no database")

    with pytest.raises(HermesError, match=r"server raw is down: it exited .* said: no database"):
        await toolset.tools()
    await world.until(lambda: toolset.server.failures == 6)

    assert len(log.read_text().split()) == 6
    await asyncio.sleep(0.3)
    assert len(log.read_text().split()) == 6  # the next waits for a call
    # by then the back-off of 0.05 s has been doubled five times
    assert toolset.server.retry_in() > 0.5


async def test_a_server_that_never_answers_is_given_up(world: Any) -> None:
    toolset = world.raw("--garbage", "3", "--mute", "--stubborn", connect_timeout=0.7)

    with pytest.raises(HermesError, match=r"not answer within 0\.7 s, but printed 3 lines"):
        await toolset.tools()


async def test_a_server_that_prints_junk_for_ever_is_given_up(world: Any) -> None:
    toolset = world.raw("--junk-forever")

    with pytest.raises(HermesError, match="prints what is not MCP"):
        await toolset.tools()


async def test_a_few_lines_of_garbage_do_no_harm(world: Any) -> None:
    assert (await world.run(world.raw("--garbage", "20"), "echo", text="hi")).text == "hi"


async def test_a_message_beyond_the_limit_ends_the_connection(world: Any) -> None:
    family = world.family({"raw": {"command": sys.executable, "args": [RAW]}}, message_mb=1)
    toolset = family.toolset("raw")

    result = await world.run(toolset, "echo", text="x" * 1_100_000)

    assert result.is_error
    await world.until(lambda: "mcp server lost" in world.log)
    assert "more than 1 MB" in world.log


async def test_a_command_that_is_not_there_is_named_with_its_key(world: Any) -> None:
    toolset = world.family({"x": {"command": "no-such-program"}}).toolset("x")

    with pytest.raises(HermesError, match=r"mcp_servers\.x\.command: no-such-program is not an"):
        await toolset.tools()


@pytest.mark.parametrize("tool", ["hang", "deaf"])
async def test_a_call_that_takes_too_long_ends_with_an_unknown_outcome(
    world: Any, tool: str
) -> None:
    toolset = world.raw(timeout=0.3)
    began = time.monotonic()

    result = await world.run(toolset, tool)

    assert time.monotonic() - began < 5 * 2.5
    assert "did not answer within 0.3 s" in result.text
    assert result.unknown


async def test_a_cancelled_call_returns_at_once_and_tells_the_server(
    world: Any, tmp_path: Path
) -> None:
    cancels = tmp_path / "cancels"
    toolset = world.raw("--cancels", str(cancels))
    await toolset.tools()
    call = asyncio.create_task(world.run(toolset, "hang"))
    await world.until(lambda: toolset.server.connection.calls)
    await asyncio.sleep(0.05)

    began = time.monotonic()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert time.monotonic() - began < 1
    await world.until(cancels.exists)
    assert (await world.run(toolset, "echo", text="next")).text == "next"


async def test_a_server_that_does_not_read_cannot_hold_a_cancelled_call(world: Any) -> None:
    toolset = world.raw()
    await toolset.tools()
    deaf = asyncio.create_task(world.run(toolset, "deaf"))
    full = asyncio.create_task(world.run(toolset, "echo", text="x" * 2_000_000))
    await world.until(lambda: len(toolset.server.connection.calls) == 2)
    await asyncio.sleep(0.1)

    began = time.monotonic()
    for call in (deaf, full):
        call.cancel()
    await asyncio.wait({deaf, full})

    assert time.monotonic() - began < 2


async def test_closing_ends_stubborn_trees_within_its_five_seconds(world: Any) -> None:
    toolset = world.raw("--stubborn", "--children", "2")
    await toolset.tools()
    (token,) = world.children.marked
    assert len(world.children.alive(token)) == 3

    began = time.monotonic()
    await toolset.close()

    assert time.monotonic() - began < 10
    assert world.children.alive(token) == ()


async def test_closing_while_it_connects_leaves_nothing(world: Any) -> None:
    toolset = world.raw("--mute", "--stubborn")
    waiting = asyncio.create_task(toolset.tools())
    await world.until(lambda: world.children.marked)

    await toolset.close()

    with pytest.raises(HermesError):
        await waiting
    assert not world.children.marked


async def test_a_closed_toolset_can_be_used_again(world: Any) -> None:
    toolset = world.raw()
    for _ in range(2):
        assert (await world.run(toolset, "echo", text="hi")).text == "hi"
        await toolset.close()


async def test_an_idle_server_is_disconnected_and_comes_back_on_call(world: Any) -> None:
    toolset = world.raw(idle_timeout_seconds=0.3)
    first = await world.run(toolset, "pid")

    await world.until(lambda: toolset.server.state == "idle")

    assert not world.children.marked
    assert (await world.run(toolset, "pid")).text != first.text
    assert "mcp server lost" not in world.log


async def test_many_conversations_share_one_process(world: Any) -> None:
    family = world.family({"raw": {"command": sys.executable, "args": [RAW]}})

    results = await asyncio.gather(*(world.run(family.toolset("raw"), "pid") for _ in range(20)))

    assert len({result.text for result in results}) == 1
    assert world.children.most == 1


async def test_the_child_gets_what_is_declared_and_nothing_else(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    world.secrets["TOKEN"] = "s3cret"
    toolset = world.raw(env={"A": "env:TOKEN", "B": "x ${TOKEN}", "PORT": 80, "ON": True})

    env = json.loads((await world.run(toolset, "env_all")).text)

    assert (env["A"], env["B"], env["PORT"], env["ON"]) == ("s3cret", "x s3cret", "80", "true")
    assert "canary" not in json.dumps(env)


async def test_changed_tools_are_for_later_conversations_with_one_notice(world: Any) -> None:
    toolset = world.raw()
    before = await toolset.tools()

    await world.run(toolset, "grow")
    await world.until(lambda: len(toolset.last_seen()) == len(before) + 1)
    for _ in range(2):
        await world.run(toolset, "echo", text="hi")

    notices = [event.text for event in world.events.of(Notice)]
    assert notices == [
        "MCP server raw has other tools now (new: grown); new conversations see them"
    ]


async def test_the_last_list_is_known_to_the_next_process_without_connecting(world: Any) -> None:
    listed = await world.raw().tools()

    again = world.raw()

    assert [tool.spec for tool in again.last_seen()] == [tool.spec for tool in listed]
    assert again.server.state == "idle"
    assert world.raw("--garbage", "1").last_seen() is None  # another command, another list
    (file,) = (world.home / "cache/mcp").iterdir()
    file.write_bytes(b"{")
    assert world.raw().last_seen() is None


async def test_annotations_count_only_where_the_configuration_trusts_them(world: Any) -> None:
    doubted = {tool.name: tool for tool in await world.raw().tools()}["mcp__raw__env_all"]
    trusted = {tool.name: tool for tool in world.raw(trust_annotations=True).last_seen()}

    assert (doubted.effect, doubted.needs) == (ONCE, EVERY_NEED)
    assert trusted["mcp__raw__env_all"].effect is READ
    assert trusted["mcp__raw__env_all"].needs == {"read"}
    assert trusted["mcp__raw__echo"].needs == EVERY_NEED


async def test_only_the_chosen_tools_are_offered(world: Any) -> None:
    toolset = world.raw(tools={"include": ["e*", "pid"], "exclude": ["env.*"]})

    assert [tool.name for tool in await toolset.tools()] == ["mcp__raw__echo", "mcp__raw__pid"]


async def test_nothing_burns_after_a_disconnection(world: Any) -> None:
    toolset = world.raw("--children", "1", "--stubborn")
    await world.run(toolset, "die")
    await world.until(lambda: toolset.server.state == "connected")
    await toolset.close()

    before, began = time.process_time(), time.monotonic()
    await asyncio.sleep(1)

    assert (time.process_time() - before) / (time.monotonic() - began) < 0.01


async def test_closing_twice_at_once_never_loses_what_was_started_since(world: Any) -> None:
    toolset = world.raw("--stubborn")
    await toolset.tools()

    closing = [asyncio.create_task(toolset.close()) for _ in range(2)]
    await asyncio.wait(closing, return_when=asyncio.FIRST_COMPLETED)
    assert (await world.run(toolset, "echo", text="hi")).text == "hi"
    await asyncio.wait(closing)
    await toolset.close()

    assert not world.children.marked
    assert world.children.most == 1
