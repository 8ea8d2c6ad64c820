"""What was recorded plays back the same, and says so where it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hermes import (
    Failed,
    Message,
    ModelRequest,
    ModelResponse,
    ModelSpec,
    Secret,
    Text,
    TextChunk,
    ThinkingChunk,
    ToolOutput,
    ToolSpec,
    ToolUse,
    user,
)
from hermes.testing.answers import Call, Fail, Say
from hermes.testing.provider import ScriptedProvider
from hermes_plugin_replay.provider import ReplayProvider
from hermes_plugin_replay.recorder import Recorder
from hermes_plugin_replay.recording import read
from hermes_plugin_replay.settings import ReplaySettings

TOOL = ToolSpec("look", "Look.", '{"type":"object"}')
SCRIPT = (
    Say("Let me look.", thinking="Hm.", calls=(Call("look", '{"a": 1}'),)),
    Fail("rate_limit", retry_after=2),
    Say(chunks=("I saw", " it.")),
)


class Talk:
    """One conversation through anything that answers model requests."""

    def __init__(self, ask, model: str, session: str = "s") -> None:
        self.ask, self.model, self.session = ask, model, session
        self.messages: tuple[Message, ...] = ()
        self.heard: list[Any] = []

    async def say(self, *messages: Message, purpose: str = "turn") -> ModelResponse:
        self.messages += messages
        spec = ModelSpec(
            self.model, "Prompt.", self.messages, (TOOL,), purpose, session=self.session
        )
        response = await self.ask(ModelRequest(spec, self.heard.append))
        self.messages += (Message("assistant", response.parts),)
        return response


def saw(text: str = "a cat") -> Message:
    return Message("tool", (ToolOutput("call_0", "look", text),))


async def go_through(talk: Talk) -> list[Any]:
    """Say all there is to say; give what came, failures too."""
    came: list[Any] = [await talk.say(user("What is there?"))]
    try:
        await talk.say(saw())
    except Failed as failed:
        came.append(failed.failure)
    came.append(await talk.say())
    return came


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "made" / "recording.jsonl"


@pytest.fixture
def record(plugin_context, file: Path):
    """Make what asks a scripted provider through a recorder."""

    def record(*script: Any, secrets: dict[str, str] | None = None):
        settings = ReplaySettings(record=str(file))
        context = plugin_context("replay", settings=settings, secrets=secrets)
        for name in secrets or {}:
            context.secrets.get(Secret(f"env:{name}"))
        recorder, provider = Recorder(context), ScriptedProvider(*script)

        async def ask(request: ModelRequest) -> ModelResponse:
            return await recorder.model(request, provider.stream)

        return ask

    return record


@pytest.fixture
def replay(plugin_context, file: Path):
    """Make a provider that has played nothing yet, as in a new process."""

    def replay(check: str = "exact") -> ReplayProvider:
        return ReplayProvider(plugin_context("replay", settings=ReplaySettings(check=check)))

    return replay


async def test_a_conversation_plays_back_as_it_went(record, replay, file) -> None:
    then = Talk(record(*SCRIPT), "scripted:m")
    recorded = await go_through(then)
    now = Talk(replay().stream, f"replay:{file}", session="another")
    played = await go_through(now)
    renamed = [
        msgspec.structs.replace(each, model=now.model) if isinstance(each, ModelResponse) else each
        for each in recorded
    ]
    assert played == renamed
    assert now.heard == then.heard, "piece by piece"
    assert any(isinstance(event, TextChunk) for event in now.heard)
    assert any(isinstance(event, ThinkingChunk) for event in now.heard)


async def test_another_message_is_refused_with_both(record, replay, file) -> None:
    await go_through(Talk(record(*SCRIPT), "scripted:m"))
    talk = Talk(replay().stream, f"replay:{file}")
    await talk.say(user("What is there?"))
    with pytest.raises(Failed) as caught:
        await talk.say(saw("a dog"))
    failure = caught.value.failure
    assert failure.kind == "bad_request"
    assert f"{file}, answer 2" in failure.message
    assert "«a cat»" in failure.message
    assert "«a dog»" in failure.message
    talk.messages = talk.messages[:-1]
    with pytest.raises(Failed) as caught:
        await talk.say(saw())
    assert caught.value.failure.kind == "rate_limit", "the right message still gets its answer"


async def test_a_looser_check_lets_tools_answer_otherwise(record, replay, file) -> None:
    await go_through(Talk(record(*SCRIPT), "scripted:m"))
    talk = Talk(replay("shape").stream, f"replay:{file}")
    await talk.say(user("Hello?"))
    with pytest.raises(Failed, match="another way"):
        await talk.say(user("not a tool's output"))
    talk.messages = talk.messages[:-1]
    with pytest.raises(Failed) as caught:
        await talk.say(saw("a dog"))
    assert caught.value.failure.kind == "rate_limit"


async def test_the_end_of_a_recording_is_told(record, replay, file) -> None:
    await Talk(record("One."), "scripted:m").say(user("x"))
    talk = Talk(replay().stream, f"replay:{file}")
    await talk.say(user("x"))
    with pytest.raises(Failed, match="is through: it has 1 answers"):
        await talk.say(user("y"))
    with pytest.raises(Failed, match="0 answers for 'title'"):
        await talk.say(purpose="title")


async def test_auxiliary_calls_are_played_apart(record, replay, file) -> None:
    then = Talk(record("One.", "A title", "Two."), "scripted:m")
    await then.say(user("x"))
    await then.say(user("name it"), purpose="title")
    await then.say(user("y"))
    now = Talk(replay("off").stream, f"replay:{file}")
    assert (await now.say(user("x"))).text == "One."
    assert (await now.say(user("y"))).text == "Two."
    assert (await now.say(user("name it"), purpose="title")).text == "A title"


async def test_conversations_that_ran_side_by_side_stay_apart(record, replay, file) -> None:
    ask = record("a1", "b1", "b2", "a2")
    a, b = Talk(ask, "scripted:m", "a"), Talk(ask, "scripted:m", "b")
    await a.say(user("first"))
    await b.say(user("second"))
    await b.say(user("more"))
    await a.say(user("more"))
    provider = replay()
    d, c = (Talk(provider.stream, f"replay:{file}", name) for name in ("d", "c"))
    assert (await d.say(user("second"))).text == "b1", "the one that begins so"
    assert (await c.say(user("first"))).text == "a1"
    assert (await c.say(user("more"))).text == "a2"
    assert (await d.say(user("more"))).text == "b2"


async def test_another_process_goes_on_where_the_conversation_stands(record, replay, file) -> None:
    await go_through(Talk(record(*SCRIPT), "scripted:m"))
    talk = Talk(replay().stream, f"replay:{file}")
    await talk.say(user("What is there?"))
    talk.ask = replay().stream
    with pytest.raises(Failed) as caught:
        await talk.say(saw())
    assert caught.value.failure.kind == "rate_limit"


async def test_a_script_goes_on_after_what_it_said_and_begins_in_any_conversation(replay) -> None:
    talk = Talk(replay().stream, "replay:demo")
    talk.messages = (user("Hello"), Message("assistant", (Text("Hi."),)))
    first = await talk.say(user("Go."))
    assert first.text.startswith("I will plan")
    talk.ask = replay().stream
    assert (await talk.say(saw())).tool_uses[0].name == "write_file"


async def test_secrets_are_not_in_the_recording(record, replay, file) -> None:
    canary = 'sk-"quoted\\canary'
    calls = (Call("look", json.dumps({"key": "plain-canary"})),)
    secrets = {"KEY": canary, "OTHER": "plain-canary"}
    ask = record(Say(f"It is {canary}", calls=calls), "Fine.", secrets=secrets)
    talk = Talk(ask, "scripted:m")
    await talk.say(user(f"My key is {canary}"))
    await talk.say(saw("see plain-canary"))
    text = file.read_text()
    assert "canary" not in text
    assert text.count("[secret]") >= 4
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.added[-1].role for entry in read(file)] == ["user", "tool"]


async def test_only_what_is_new_is_written(record, file) -> None:
    talk = Talk(record(*(f"{n}" for n in range(30))), "scripted:m")
    for number in range(30):
        await talk.say(user(f"message {number}"))
    entries = read(file)
    assert sum(len(entry.added) for entry in entries) == 59
    assert [entry.prompt for entry in entries] == ["Prompt."] + [None] * 29
    assert entries[0].tools == (TOOL,)
    assert entries[1].tools is None


async def test_nothing_is_recorded_unless_asked(plugin_context, home: Path) -> None:
    recorder = Recorder(plugin_context("replay", settings=ReplaySettings()))
    provider = ScriptedProvider("x")
    request = ModelRequest(ModelSpec("scripted:m", "", (user("x"),)), lambda event: None)
    await recorder.model(request, provider.stream)
    assert not [path for path in home.rglob("*") if path.is_file()]


async def test_a_variable_names_the_file_for_one_run(plugin_context, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HERMES_RECORD", str(tmp_path / "run.jsonl"))
    recorder = Recorder(plugin_context("replay", settings=ReplaySettings()))
    request = ModelRequest(ModelSpec("scripted:m", "", (user("x"),)), lambda event: None)
    await recorder.model(request, ScriptedProvider("x").stream)
    assert len(read(tmp_path / "run.jsonl")) == 1


async def test_a_disk_that_is_full_costs_the_recording_only(plugin_context, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    settings = ReplaySettings(record=str(tmp_path / "file" / "below.jsonl"))
    context = plugin_context("replay", settings=settings)
    request = ModelRequest(ModelSpec("scripted:m", "", (user("x"),)), lambda event: None)
    response = await Recorder(context).model(request, ScriptedProvider("x").stream)
    assert response.text == "x"
    assert "not recorded" in context.log.text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No recording at"),
        ('{"response": ', ":1 is no line of a recording"),
        ('{"failure": null}', ":1 has neither"),
        ("\n\xff", ":2 is no line of a recording"),
    ],
)
async def test_a_file_that_is_no_recording_is_told(replay, file, content, words) -> None:
    if content is not None:
        file.parent.mkdir()
        file.write_bytes(content.encode("latin-1"))
    with pytest.raises(Failed) as caught:
        await Talk(replay().stream, f"replay:{file}").say(user("x"))
    assert caught.value.failure.kind == "bad_request"
    assert words in caught.value.failure.message


async def test_recordings_of_the_data_folder_are_listed_and_found(plugin_context) -> None:
    context = plugin_context("replay", settings=ReplaySettings(record="mine.jsonl"))
    request = ModelRequest(ModelSpec("scripted:m", "", (user("x"),)), lambda event: None)
    await Recorder(context).model(request, ScriptedProvider("Kept.").stream)
    provider = ReplayProvider(context)
    assert [model.name for model in await provider.models()] == ["demo", "mine.jsonl"]
    assert (await Talk(provider.stream, "replay:mine.jsonl").say(user("x"))).text == "Kept."


async def test_the_demo_is_a_recording_that_any_conversation_can_play(replay) -> None:
    provider = replay()
    for session in ("one", "two"):
        talk = Talk(provider.stream, "replay:demo", session)
        response = await talk.say(user("Go."))
        while response.tool_uses:
            outputs = (ToolOutput(use.id, use.name, "whatever") for use in response.tool_uses)
            response = await talk.say(Message("tool", tuple(outputs)))
        assert response.parts == (Text(response.text),)
        uses = [use for message in talk.messages for use in message.tool_uses]
        assert {use.name for use in uses} == {"todo", "write_file", "terminal", "read_file"}
        assert len({use.id for use in uses}) == len(uses)
        assert all(isinstance(json.loads(use.arguments), dict) for use in uses)
    assert isinstance(uses[0], ToolUse)
