"""What the plugin does beside adding its shapes: it tells, refuses a placeholder, keeps secrets."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hermes import (
    ConfigError,
    HermesError,
    ModelRequest,
    ModelResponse,
    Notice,
    Outgoing,
    Part,
    Secret,
    StreamRestarted,
    Text,
    TextChunk,
    ToolCall,
    ToolResult,
    ToolUse,
)
from hermes.plugins import Host
from hermes.testing import Events, make_call, make_outgoing, make_request, make_tool, make_turn
from hermes.testing.commands import FakeCommandContext, give
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_redaction.commands import secrets
from hermes_plugin_redaction.middleware import Redaction
from hermes_plugin_redaction.settings import Settings

KEY = "ghp_" + "a1B2c3D4e5" * 4


async def opened(plugin_context: MakeContext, **settings: Any) -> Redaction:
    made = Redaction(plugin_context("redaction", settings=Settings(**settings)))
    await made.open()
    return made


async def test_a_pasted_key_is_taken_out_and_the_person_is_told(
    plugin_context: MakeContext,
) -> None:
    redaction, events, seen = await opened(plugin_context), Events(), []

    async def runs(turn: Any) -> Any:
        seen.append(turn.input.text)

    await redaction.turn(make_turn(f"use {KEY} please", emit=events), runs)
    await redaction.turn(make_turn("use none", emit=events), runs)
    assert seen == ["use [secret] please", "use none"]
    assert ["taken out" in notice.text for notice in events.of(Notice)] == [True]


@pytest.mark.parametrize(
    ("needs", "text", "runs"),
    [
        ({"write"}, "KEY=[secret]", False),
        ({"run"}, "echo '[secret]' > .env", False),
        ({"read"}, "[secret]", True),
        ({"write"}, "KEY=other", True),
    ],
)
async def test_a_placeholder_is_not_written_over_the_secret_it_stands_for(
    plugin_context: MakeContext, needs: set[str], text: str, runs: bool
) -> None:
    redaction = await opened(plugin_context)
    tool = make_tool(needs=frozenset(needs))
    call = make_call(tool, {"deep": [{"text": text}]}, context=plugin_context("test"))

    async def done(call: ToolCall) -> ToolResult:
        return ToolResult("done")

    result = await redaction.tool(call, done)
    assert (result.text == "done") == runs
    assert result.is_error != runs


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
async def test_an_answer_is_shown_without_it_in_whatever_pieces_it_comes(
    plugin_context: MakeContext, size: int
) -> None:
    """An obedient model puts it together from what it was told letter by letter."""
    context = plugin_context("redaction", settings=Settings(), secrets={"KEY": "canary-Xw7/0012"})
    context.secrets.get(Secret("env:KEY"))
    redaction = Redaction(context)
    await redaction.open()
    events, said = Events(), f"The keys are canary-Xw7/0012, {KEY}.\n\nThat is all of them. "

    async def answers(request: ModelRequest) -> ModelResponse:
        request.chunk("canary-Xw")
        request = request.again("the line was cut")
        for start in range(0, len(said), size):
            request.chunk(said[start : start + size])
        return ModelResponse((Text(said), ToolUse("1", "x", "{}")), "a:b")

    response = await redaction.model(make_request(emit=events), answers)
    shown = "".join(chunk.text for chunk in events.of(TextChunk) if chunk.attempt)
    assert shown == "The keys are [secret], [secret].\n\nThat is all of them. "
    assert "canary" not in "".join(chunk.text for chunk in events.of(TextChunk))
    assert response.parts == (Text(shown), ToolUse("1", "x", "{}"))
    assert len(events.of(StreamRestarted)) == 1


async def test_a_reply_goes_out_without_it(plugin_context: MakeContext) -> None:
    redaction = await opened(plugin_context)

    async def parts(outgoing: Outgoing) -> tuple[Part, ...]:
        return (Part(outgoing.key, outgoing.text),)

    (part,) = await redaction.deliver(make_outgoing(f"It is {KEY}."), parts)
    assert part.text == "It is [secret]."


async def test_patterns_are_added_and_shapes_can_be_left_out(plugin_context: MakeContext) -> None:
    context = plugin_context("redaction", settings=Settings(shapes=False, patterns=("emp-\\d+",)))
    await Redaction(context).open()
    assert context.secrets.redact(f"emp-123 and {KEY}") == f"[secret] and {KEY}"


async def test_a_pattern_that_is_none_is_named(plugin_context: MakeContext) -> None:
    with pytest.raises(ConfigError, match=r"redaction.patterns: '\(': "):
        await opened(plugin_context, patterns=("(",))


# hermes secrets ---------------------------------------------------------------------------------


class Ring:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, name: str, value: str) -> None:
        self.kept[service, name] = value

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


@pytest.fixture
def says(home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give ``await says(words…, stdin=…)``: what ``hermes secrets`` replies on a real home."""

    async def said(*words: str, stdin: str = "") -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        context = FakeCommandContext("cli", host=Host.open(home))
        return (await give(secrets, *words, context=context)).text

    return said


async def test_a_variable_is_kept_in_the_file_and_listed_without_its_value(
    says: Any, home: Path
) -> None:
    assert KEY not in await says("set", "OPENAI_API_KEY", stdin=KEY + "\n")
    assert f"OPENAI_API_KEY={KEY}" in (home / ".env").read_text()
    listed = json.loads(await says("--json"))
    assert {"secret": "env:OPENAI_API_KEY", "for": ["openai"], "set": ".env"} in listed
    assert KEY not in await says("list")
    assert "removed" in await says("remove", "OPENAI_API_KEY")
    assert (home / ".env").read_text() == ""
    with pytest.raises(HermesError, match="OPENAI_API_KEY is not in"):
        await says("remove", "OPENAI_API_KEY")


async def test_a_key_of_the_configuration_is_kept_in_the_keyring_and_read_from_there(
    says: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", Ring())
    await says("set", "openai.api_key", "--keyring", stdin=KEY)
    config = (home / "config.yaml").read_text()
    assert "keyring:hermes/openai.api_key" in config
    assert KEY not in config
    host = Host.open(home)
    assert host.secrets.get(host.config.section("openai").api_key) == KEY
    assert host.secrets.redact(KEY) == "[secret]"
    await says("remove", "openai.api_key")
    assert "keyring" not in (home / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (("set", "OPENAI_API_KEY"), "", "no value was given"),
        (("set", "openai.api_kee"), KEY, "api_key"),
        (("remove", "openai.api_key"), "", "name that variable instead"),
    ],
)
async def test_bad_input_is_answered_in_one_line(
    says: Any, words: tuple[str, ...], stdin: str, said: str
) -> None:
    with pytest.raises(HermesError, match=said) as caught:
        await says(*words, stdin=stdin)
    assert KEY not in str(caught.value)


async def test_without_the_package_the_mend_is_named(
    says: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(HermesError, match=r"pip install 'hermes-plugin-redaction\[keyring\]'"):
        await says("set", "OPENAI_API_KEY", "--keyring", stdin=KEY)


async def test_a_value_that_was_taken_out_of_a_message_is_not_set(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"hermes secrets set openai\.api_key"):
        Host.open(home).config.set("openai.api_key", "[secret]")
