"""``config``, ``model`` and ``tools`` on a real home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hermes import ConfigError, HermesError, NotFound
from hermes.plugins import Host
from hermes.runtime import Runtime
from hermes.testing.commands import FakeCommandContext, give
from hermes_plugin_commands.config import config
from hermes_plugin_commands.model import model
from hermes_plugin_commands.tools import tools

CANARY = "sk-canary-0123456789"


def context(home: Path, **more: Any) -> FakeCommandContext:
    return FakeCommandContext("cli", host=Host.open(home), **more)


async def test_set_get_explain_unset(home: Path) -> None:
    file = home / "config.yaml"
    file.write_text("# mine\nagent:\n  max_turns: 30 # enough\n")
    here = context(home)
    await give(config, "set", "agent.max_turns", "60", context=here)
    assert file.read_text() == "# mine\nagent:\n  max_turns: 60 # enough\n"
    assert (await give(config, "get", "agent.max_turns", context=context(home))).text == "60"
    said = (await give(config, "explain", "agent.max_turns", context=context(home))).text
    assert said == "agent.max_turns = 60\n  from config.yaml:3\n  over default = 90"
    assert (
        "agent.max_turns = 60  # config.yaml:3" in (await give(config, context=context(home))).text
    )
    unset = (await give(config, "unset", "agent.max_turns", context=context(home))).text
    assert unset == "agent.max_turns = 90 (default)"
    assert (await give(config, "path", context=context(home))).text == str(file)


async def test_an_unknown_key_is_named_with_its_nearest(home: Path) -> None:
    with pytest.raises(ConfigError, match="max_turns"):
        await give(config, "set", "agent.max_turn", "60", context=context(home))
    assert not (home / "config.yaml").exists()


async def test_secrets_are_neither_echoed_nor_shown(home: Path) -> None:
    given = context(home)
    await give(config, "set", "openai.api_key", CANARY, context=given)
    assert CANARY not in given.text
    file = home / "config.yaml"
    assert not file.exists() or CANARY not in file.read_text()
    assert CANARY in (home / ".env").read_text()
    file.write_text(
        "openai:\n  api_key: env:OPENAI_API_KEY\n  extra_headers:\n"
        f"    X-Api-Key: {CANARY}\n    Authorization: Bearer {CANARY}\n    X-Title: mine\n"
    )
    ways = (["show"], ["get", "openai"], ["explain", "openai.extra_headers"], ["check"])
    said = [(await give(config, *words, context=context(home))).text for words in ways]
    assert CANARY not in "".join(said)
    assert "mine" in said[0]
    assert "env:OPENAI_API_KEY" in said[0]
    given = context(home)
    await give(config, "set", "openai.extra_headers.X-Token", CANARY + "2", context=given)
    assert CANARY not in given.text


async def test_check_says_what_is_wrong_and_fails(home: Path) -> None:
    assert "in order" in (await give(config, "check", context=context(home))).text
    (home / "config.yaml").write_text("agent:\n  max_turns: many\n")
    wrong = context(home)
    with pytest.raises(HermesError, match="1 error"):
        await give(config, "check", context=wrong)
    assert "config.yaml:2: agent.max_turns" in wrong.text


async def test_broken_yaml_is_shown_as_a_problem(home: Path) -> None:
    (home / "config.yaml").write_text("agent: [1\n")
    said = (await give(config, "show", context=context(home))).text
    assert "error" in said
    assert "config.yaml" in said


async def test_a_model_is_chosen_from_the_shell(home: Path) -> None:
    await give(model, "openai:gpt-x", context=context(home))
    assert "model: openai:gpt-x" in (home / "config.yaml").read_text()
    with pytest.raises(NotFound, match="openai"):
        await give(model, "opnai:gpt-x", context=context(home))


async def test_toolsets_are_switched(home: Path) -> None:
    host = Host.open(home)
    names = sorted(host.offers("tools"))
    assert len(names) > 1
    off = names[0]
    await give(tools, "disable", off, context=context(home))
    assert Host.open(home).config.section("hermes").toolsets == tuple(names[1:])
    given = context(home)
    async with Runtime.open(host=given.host, surface="cli") as runtime:
        given._runtime = runtime
        await give(tools, "--json", context=given)
    listed = {each["toolset"]: each for each in json.loads(given.text)}
    assert listed[off]["enabled"] is False
    assert not listed[off]["tools"]
    assert all(each["enabled"] for name, each in listed.items() if name != off)
    await give(tools, "enable", off, context=context(home))
    assert Host.open(home).config.section("hermes").toolsets == ()
    with pytest.raises(NotFound):
        await give(tools, "enable", "nonsuch", context=context(home))
