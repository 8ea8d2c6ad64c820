"""Entries of ``mcp_servers``: what is wrong with them, and what they come to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

import hermes_plugin_mcp
from hermes import HermesError, Image, NotFound, ToolsetFamily
from hermes.testing.commands import FakeCommandContext, give
from hermes_plugin_mcp.checks import ServersCheck
from hermes_plugin_mcp.commands import mcp
from hermes_plugin_mcp.definitions import tool_names
from hermes_plugin_mcp.plan import problems
from hermes_plugin_mcp.settings import McpServers

RAW = str(Path(__file__).parent / "programs" / "raw_server.py")


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({}, ": has neither a command nor a url; write the one that it is reached by"),
        ({"command": "a", "url": "http://a"}, ": has both a command and a url; write the one"),
        ({"url": "ftp://a"}, ".url: must begin with http:// or https:// and name a host"),
        ({"url": "http://"}, ".url: must begin with http:// or https:// and name a host"),
        ({"command": "a", "transport": "sse"}, ".transport: sse goes with a url"),
        ({"url": "http://a", "transport": "stdio"}, ".transport: stdio goes with a command"),
        ({"command": "a", "timeout": 0}, ".timeout: must be more than 0 seconds"),
        ({"command": "a", "connect_timeout": -1}, ".connect_timeout: must be more than 0"),
        ({"command": "a", "idle_timeout_seconds": -1}, ".idle_timeout_seconds: must not be"),
        ({"command": "a", "env": {"A=B": "x"}}, ".env: 'A=B' is no name of a variable"),
    ],
)
def test_a_bad_entry_is_one_line_with_server_and_key(entry: dict[str, Any], line: str) -> None:
    servers = msgspec.convert({"bad": entry, "good": {"command": "x"}}, McpServers)

    (found,) = problems(servers).items()

    assert found[0] == "bad"
    assert found[1].startswith(f"mcp_servers.bad{line}")
    assert "\n" not in found[1]


def test_servers_whose_tools_would_be_named_alike_are_told_apart() -> None:
    servers = msgspec.convert(
        {"my docs": {"command": "a"}, "my_docs": {"command": "a"}, "++": {"command": "a"}},
        McpServers,
    )

    found = problems(servers)

    assert "would be named like those of my docs" in found["my_docs"]
    assert "needs a letter or a digit" in found["++"]


async def test_a_bad_entry_sets_aside_its_server_only(world: Any) -> None:
    raw = {"command": sys.executable, "args": ["-c", "pass"]}
    family = world.family({"bad": {}, "raw": raw, "off": {"command": "x", "enabled": False}})

    assert family.members() == ("bad", "raw")
    assert family.toolset("raw") is family.toolset("raw")
    with pytest.raises(HermesError, match=r"^mcp_servers\.bad: has neither"):
        await family.toolset("bad").tools()
    with pytest.raises(NotFound, match="no server row; did you mean raw"):
        family.toolset("row")
    with pytest.raises(NotFound, match="off is disabled"):
        family.toolset("off")


NAMES = st.lists(st.text(min_size=1, max_size=90), unique=True, max_size=20)


@given(st.text(min_size=1), NAMES, st.randoms())
def test_names_are_plain_short_different_and_the_same_in_any_order(
    server: str, names: list[str], random: Any
) -> None:
    made = tool_names(server, names)
    mixed = random.sample(names, len(names))

    assert len(set(made.values())) == len(names)
    assert all(len(name) <= 64 and name.isascii() for name in made.values())
    assert all(set(name) <= PLAIN for name in made.values())
    assert tool_names(server, mixed) == made


PLAIN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def test_ordinary_names_stay_as_they_are() -> None:
    assert tool_names("time", ["get_current-time", "a.b"]) == {
        "get_current-time": "mcp__time__get_current-time",
        "a.b": "mcp__time__a_b",
    }


async def test_the_check_finds_what_cannot_work_without_starting_it(world: Any) -> None:
    context = world.context(
        {
            "bad": {},
            "gone": {"command": "no-such-program"},
            "secret": {"url": "http://127.0.0.1:1", "headers": {"Authorization": "Bearer abcdefg"}},
            "unset": {"command": sys.executable, "env": {"TOKEN": "env:UNSET"}},
            "old": {"command": sys.executable, "auth": "oauth", "sampling": {"enabled": True}},
        }
    )

    found = await ServersCheck(context).check()

    assert [(finding.level, finding.text.partition(" ")[0]) for finding in found] == [
        ("error", "mcp_servers.bad:"),
        ("error", "mcp_servers.gone.command:"),
        ("warning", "mcp_servers.secret.headers.Authorization:"),
        ("ok", "MCP"),
        ("error", "mcp_servers.unset.env.TOKEN:"),
        ("warning", "mcp_servers.old:"),
        ("ok", "MCP"),
    ]
    assert "abcdefg" not in repr(found)
    assert world.children.started == 0


class Home:
    """As much of a host as the commands use."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def context(self, plugin: str) -> Any:
        assert plugin == "mcp"
        return self._context


NEITHER = "mcp_servers.no: has neither a command nor a url; write the one that it is reached by"


async def test_the_commands_list_test_and_show(world: Any) -> None:
    raw = {"command": sys.executable, "args": [RAW], "tools": {"exclude": ["die"]}}
    home = Home(world.context({"raw": raw, "off": {"url": "http://a", "enabled": False}, "no": {}}))

    async def said(*arguments: str) -> str:
        surface = FakeCommandContext("cli", host=home, runtime=object())
        return (await give(mcp, *arguments, context=surface)).text

    assert (await said()).splitlines() == [
        "raw  stdio  never connected",
        "off  http  disabled",
        "no  http  " + NEITHER,
    ]
    assert "raw: connected to raw 0.1 in" in await said("test", "raw")
    assert json.loads(await said("test", "raw", "--json"))["tools"] == 10
    assert (await said("list")).splitlines()[0] == "raw  stdio  9 tools"
    shown = (await said("tools", "raw")).splitlines()
    assert shown[0] == "mcp__raw__echo     Say it again."
    assert shown[3] == "-                  End the server."
    again = json.loads(await said("tools", "raw", "--again", "--json"))
    assert [row["tool"] for row in again if row["server_tool"] == "die"] == [None]
    with pytest.raises(HermesError, match="has neither a command nor a url"):
        await said("test", "no")
    assert not world.children.marked


def test_results_of_every_kind_become_text_and_images() -> None:
    from mcp_types import CallToolResult

    from hermes_plugin_mcp.wire import tool_result

    blob = {"uri": "file:///a", "mimeType": "application/zip", "blob": "AAAA"}
    given = {
        "content": [
            {"type": "text", "text": "lone \ud800"},
            {"type": "image", "data": "AAAA", "mimeType": "image/png"},
            {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
            {"type": "resource", "resource": {"uri": "file:///b", "text": "inside"}},
            {"type": "resource", "resource": blob},
            {"type": "resource_link", "name": "c", "uri": "file:///c", "description": "more"},
        ],
        "structuredContent": {"n": 1},
    }

    result = tool_result(CallToolResult.model_validate(given), "mcp:x")

    assert result.images == (Image("image/png", "AAAA"),)
    assert result.source == "mcp:x"
    assert result.text.splitlines() == [
        "lone \ufffd",
        "[audio, audio/wav, 3 bytes, not shown]",
        "[file:///b]",
        "inside",
        "[file:///a: application/zip, 3 bytes, not shown]",
        "[resource c: file:///c (more)]",
        '{"n": 1}',
    ]


def test_the_sdk_is_not_imported_until_a_connection_opens() -> None:
    program = (
        "import sys, hermes_plugin_mcp\n"
        "from hermes_plugin_mcp import family, settings, commands, checks, server\n"
        "print([name for name in ('mcp', 'mcp_types', 'anyio', 'httpx2', 'pydantic')"
        " if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == "[]"


def test_the_offers_are_what_the_hooks_ask_for() -> None:
    (tools,) = hermes_plugin_mcp.hermes_tools()

    assert tools.family
    assert [offer.name for offer in hermes_plugin_mcp.hermes_settings()] == ["mcp", "mcp_servers"]
    from hermes_plugin_mcp.family import Servers

    assert issubclass(Servers, ToolsetFamily)
