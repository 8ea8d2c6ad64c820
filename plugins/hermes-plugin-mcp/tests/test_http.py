"""Servers over HTTP: their death, their sessions, who they let in."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

import pytest

from hermes import HermesError, Notice


async def test_tools_are_called_over_http(world: Any, http_server: Any) -> None:
    toolset = world.family({"web": {"url": http_server().url}}).toolset("web")

    assert (await world.run(toolset, "echo", text="hi")).text == "hi"
    assert len((await world.run(toolset, "big", size=3_000_000)).text) == 3_000_000
    failed = await world.run(toolset, "fail")
    assert failed.is_error
    assert "Error executing tool fail" in failed.text


async def test_the_older_way_over_http(world: Any, http_server: Any) -> None:
    entry = {"url": http_server(kind="sse").url, "transport": "sse"}
    toolset = world.family({"old": entry}).toolset("old")

    assert (await world.run(toolset, "echo", text="hi")).text == "hi"


async def test_a_server_that_died_fails_calls_fast_and_is_found_again(
    world: Any, http_server: Any
) -> None:
    server = http_server()
    toolset = world.family({"web": {"url": server.url}}, retry_most=0.2).toolset("web")
    first = await world.run(toolset, "pid")

    server.kill()
    for _ in range(3):
        began = time.monotonic()
        result = await world.run(toolset, "echo", text="anybody?")
        assert time.monotonic() - began < 5 * 2
        assert result.is_error
        assert "web" in result.text
    server.start()

    async def answers() -> bool:
        return not (await world.run(toolset, "echo", text="hi")).is_error

    end = time.monotonic() + 30
    while not await answers():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
    assert (await world.run(toolset, "pid")).text != first.text


async def test_a_server_that_dies_during_a_call_leaves_its_outcome_unknown(
    world: Any, http_server: Any
) -> None:
    server = http_server()
    toolset = world.family({"web": {"url": server.url}}).toolset("web")
    await toolset.tools()
    slow = asyncio.create_task(world.run(toolset, "slow", seconds=60))
    await world.until(lambda: world.events)  # it reported progress

    began = time.monotonic()
    server.kill()
    result = await slow

    assert time.monotonic() - began < 5 * 2
    assert result.is_error
    assert result.unknown


async def test_a_restarted_server_with_new_sessions_answers_the_next_call(
    world: Any, http_server: Any
) -> None:
    """It knows neither session nor connection, but was not yet missed: the call is made again."""
    server = http_server()
    toolset = world.family({"web": {"url": server.url}}).toolset("web")
    await toolset.tools()
    server.kill()
    server.start()

    end = time.monotonic() + 30
    while (result := await world.run(toolset, "echo", text="hi")).is_error:
        assert time.monotonic() < end, result.text
        await asyncio.sleep(0.05)

    assert result.text == "hi"


async def test_refused_credentials_are_not_tried_again(world: Any, http_server: Any) -> None:
    entry = {"url": http_server("s3cret").url, "headers": {"Authorization": "Bearer wrong"}}
    toolset = world.family({"web": entry}).toolset("web")

    for _ in range(2):
        with pytest.raises(HermesError, match=r"refused our credentials \(HTTP 401\).*not tried"):
            await toolset.tools()
    await asyncio.sleep(0.3)

    assert world.log.count("mcp server lost") == 1
    assert toolset.server.state == "refused"


async def test_credentials_come_from_the_secrets_and_show_nowhere(
    world: Any, http_server: Any
) -> None:
    world.secrets["WEB_TOKEN"] = "s3cret"
    entry = {
        "url": http_server("s3cret").url,
        "headers": {"Authorization": "Bearer ${WEB_TOKEN}"},
    }
    toolset = world.family({"web": entry}).toolset("web")

    assert (await world.run(toolset, "echo", text="hi")).text == "hi"
    assert "s3cret" not in world.log
    assert all("s3cret" not in f.read_text() for f in (world.home / "cache/mcp").iterdir())


async def test_a_missing_secret_is_named_with_its_key(world: Any) -> None:
    entry = {"url": "http://127.0.0.1:1/mcp", "headers": {"X-Key": "env:NOT_SET"}}
    toolset = world.family({"web": entry}).toolset("web")

    with pytest.raises(HermesError, match=r"mcp_servers\.web\.headers\.X-Key: NOT_SET is not set"):
        await toolset.tools()


async def test_nobody_at_the_address_is_an_error_that_says_so(world: Any) -> None:
    toolset = world.family({"web": {"url": "http://127.0.0.1:1/mcp"}}).toolset("web")

    with pytest.raises(HermesError, match="server web is down: Connect"):
        await toolset.tools()


async def test_an_address_that_never_answers_is_given_up(world: Any) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        toolset = world.family({"web": {"url": url, "connect_timeout": 0.5}}).toolset("web")

        with pytest.raises(HermesError, match=r"did not answer within 0\.5 s"):
            await toolset.tools()


async def test_changed_tools_are_noticed_over_http(world: Any, http_server: Any) -> None:
    toolset = world.family({"web": {"url": http_server().url}}).toolset("web")
    before = await toolset.tools()

    await world.run(toolset, "grow")
    await world.until(lambda: len(toolset.last_seen()) == len(before) + 1)
    await world.run(toolset, "echo", text="hi")

    assert len(world.events.of(Notice)) == 1
    assert json.loads(toolset.last_seen()[-1].spec.parameters)["type"] == "object"


async def test_nothing_burns_after_the_server_died(world: Any, http_server: Any) -> None:
    server = http_server()
    toolset = world.family({"web": {"url": server.url}}, retry_first=30.0).toolset("web")
    calls = [asyncio.create_task(world.run(toolset, "slow", seconds=60)) for _ in range(3)]
    await world.until(lambda: len(world.events) == 3)
    server.kill()
    await asyncio.gather(*calls)
    await world.until(lambda: toolset.server.state == "down")

    shares = []
    for _ in range(3):  # what spins does so all the time; a collector's pass is not ours
        before, began = time.process_time(), time.monotonic()
        await asyncio.sleep(1)
        shares.append((time.process_time() - before) / (time.monotonic() - began))
    assert min(shares) < 0.01
