"""Who is asked, who rests, and what the person is told."""

from __future__ import annotations

import asyncio
import typing
from pathlib import Path
from typing import Any

import pytest

from hermes import (
    ConfigError,
    Event,
    Failed,
    FailureKind,
    ModelRequest,
    ModelResponse,
    Notice,
    StreamRestarted,
    TextChunk,
    TurnFinished,
)
from hermes.testing import (
    AllowAll,
    Call,
    Events,
    Fail,
    Say,
    ScriptedProvider,
    make_context,
    make_key,
    make_request,
    make_tool,
    open_runtime,
)
from hermes_plugin_fallback.fallback import Fallback
from hermes_plugin_fallback.rests import LIMIT
from hermes_plugin_fallback.settings import Entry, Section, Settings

KINDS: tuple[FailureKind, ...] = typing.get_args(FailureKind)
DEAD = Fail("auth", "Incorrect API key")


class Time:
    """A clock that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Models:
    """Endpoints by model; an endpoint without a script answers with its name."""

    def __init__(self) -> None:
        self.scripts: dict[str, ScriptedProvider] = {}
        self.asked: list[str] = []

    def will(self, model: str, *answers: Any) -> None:
        self.scripts.setdefault(model, ScriptedProvider(name=model)).will(*answers)

    async def __call__(self, request: ModelRequest) -> ModelResponse:
        model = request.spec.model
        self.asked.append(model)
        script = self.scripts.setdefault(model, ScriptedProvider(name=model))
        if not script.answers:
            script.will(f"I am {model}.")
        return await script.stream(request)

    def take(self) -> str:
        """Give the models that were asked since, by the part before the colon."""
        asked, self.asked = self.asked, []
        return " ".join(model.partition(":")[0] for model in asked)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def models() -> Models:
    return Models()


def made(home: Path, time: Time, section: Section = None, **more: Any) -> Fallback:
    sections = {
        "fallback": ["b:1", "c:1"] if section is None else section,
        "fallback_providers": [],
        "fallback_model": None,
        **more,
    }
    return Fallback(make_context("fallback", home=home, sections=sections), clock=time)


@pytest.fixture
def fallback(tmp_path: Path, time: Time) -> Fallback:
    return made(tmp_path, time)


def request(session: str = "s", **fields: Any) -> ModelRequest:
    return make_request(**{"model": "a:1", "session": session, **fields})


@pytest.mark.parametrize("kind", KINDS)
async def test_another_model_is_asked_at_once_where_it_may_help(
    kind: FailureKind, fallback: Fallback, models: Models
) -> None:
    models.will("a:1", Fail(kind))
    if kind in ("refused", "content_filter", "context_overflow"):
        with pytest.raises(Failed):
            await fallback.model(request(), models)
        assert models.take() == "a"
        return
    response = await fallback.model(request(), models)
    assert models.take() == "a b"
    assert (response.model, response.fallback) == ("b:1", True)


async def test_the_model_that_was_asked_for_is_no_fallback(
    fallback: Fallback, models: Models
) -> None:
    assert not (await fallback.model(request(), models)).fallback
    assert not (await fallback.model(request(model="b:1"), models)).fallback


async def test_the_same_model_is_not_asked_twice(fallback: Fallback, models: Models) -> None:
    models.will("b:1", DEAD)
    assert (await fallback.model(request(model="b:1"), models)).model == "c:1"
    assert models.take() == "b c"


async def test_the_next_message_tries_the_model_first_then_it_rests_longer_and_longer(
    fallback: Fallback, models: Models, time: Time
) -> None:
    models.will("a:1", *[DEAD] * 10)
    for _ in range(2):
        await fallback.model(request(), models)
    assert models.take() == "a b a b"
    for rest in (60, 120, 240, 480, 960, 1920, 3600, 3600):
        time.now += rest - 1
        await fallback.model(request(), models)
        assert models.take() == "b", rest
        time.now += 1
        await fallback.model(request(), models)
        assert models.take() == "a b", rest
    time.now += 3600
    await fallback.model(request(), models)
    assert models.take() == "a"  # the script is through: it answers again
    models.will("a:1", DEAD)
    await fallback.model(request(), models)
    await fallback.model(request(), models)
    assert models.take() == "a b a"  # and has a clean slate


async def test_a_time_that_the_vendor_asked_for_is_kept_from_the_first(
    fallback: Fallback, models: Models, time: Time
) -> None:
    models.will("a:1", Fail("rate_limit", retry_after=900))
    await fallback.model(request("one"), models)
    time.now += 899
    await fallback.model(request("two"), models)
    assert models.take() == "a b b"
    time.now += 1
    await fallback.model(request("two"), models)
    assert models.take() == "a"


async def test_only_who_failed_is_blamed(fallback: Fallback, models: Models) -> None:
    models.will("a:1", DEAD)
    models.will("b:1", *[Fail("rate_limit", retry_after=900)] * 2)
    await fallback.model(request(), models)
    assert models.take() == "a b c"
    await fallback.model(request(), models)
    assert models.take() == "a"
    models.will("a:1", DEAD)
    await fallback.model(request(), models)
    assert models.take() == "a c"


async def test_a_conversation_that_a_vendor_cannot_read_does_not_rest_it_for_others(
    fallback: Fallback, models: Models
) -> None:
    models.will("a:1", *[Fail("bad_request", "messages.3: invalid")] * 2)
    for _ in range(3):
        await fallback.model(request("poisoned"), models)
    assert models.take() == "a b a b b"
    await fallback.model(request("healthy"), models)
    assert models.take() == "a"


async def test_calls_under_way_together_count_as_one_failure(
    fallback: Fallback, models: Models, time: Time
) -> None:
    down = asyncio.Event()

    async def fail(_: Any) -> Fail:
        await down.wait()
        time.now += 0.1
        return Fail("transient")

    models.will("a:1", *[fail] * 20)
    calls = [asyncio.ensure_future(fallback.model(request(f"{n}"), models)) for n in range(20)]
    await asyncio.sleep(0.01)
    down.set()
    assert {response.model for response in await asyncio.gather(*calls)} == {"b:1"}
    models.take()
    await fallback.model(request(), models)
    assert models.take() == "a"


async def test_when_every_model_rests_the_one_asked_for_is_asked_all_the_same(
    fallback: Fallback, models: Models
) -> None:
    for model in ("a:1", "b:1", "c:1"):
        models.will(model, *[Fail("transient", f"{model} is down")] * 2)
    for _ in range(2):
        with pytest.raises(Failed, match="a:1 is down"):
            await fallback.model(request(), models)
    models.take()
    assert (await fallback.model(request(), models)).text == "I am a:1."
    assert models.take() == "a"


async def test_when_none_answers_the_failure_of_the_model_asked_for_is_shown(
    fallback: Fallback, models: Models
) -> None:
    heard = Events()
    models.will("a:1", Fail("quota", "No credit."))
    models.will("b:1", Fail("context_overflow", "Too long."))
    models.will("c:1", Fail("timeout", "No answer."))
    with pytest.raises(Failed) as failed:
        await fallback.model(request(emit=heard), models)
    assert failed.value.failure.kind == "quota"
    assert failed.value.failure.message == "No credit."
    assert [notice.text for notice in heard.of(Notice)] == [
        "a:1: No credit.",
        "b:1: Too long.",
        "No fallback answered. b:1: Too long. c:1: No answer.",
    ]


async def test_text_of_the_failed_model_is_taken_back(fallback: Fallback, models: Models) -> None:
    heard = Events()
    models.will("a:1", Say("Half an ans", cut=True))
    await fallback.model(request(emit=heard), models)
    (restarted,) = heard.of(StreamRestarted)
    assert restarted.reason == "a:1 cut the answer short"
    assert {chunk.attempt for chunk in heard.of(TextChunk)} == {0, restarted.attempt}


async def test_text_that_cannot_be_taken_back_is_not_said_twice(
    fallback: Fallback, models: Models
) -> None:
    models.will("a:1", Say("Half an ans", cut=True))
    with pytest.raises(Failed, match="cut"):
        await fallback.model(request(retractable=False), models)
    assert models.take() == "a"


async def test_a_filtered_answer_goes_elsewhere_only_where_that_is_wanted(
    tmp_path: Path, time: Time, models: Models
) -> None:
    filtered = Say("I ca", stop="filter")
    models.will("a:1", filtered, Fail("content_filter"), filtered)
    wanted = made(tmp_path, time, Settings(models=("b:1",), filtered=True))
    for _ in range(2):
        assert (await wanted.model(request(), models)).model == "b:1"
    assert models.take() == "a b a b"
    response = await made(tmp_path, time).model(request(), models)
    assert (response.model, response.stop) == ("a:1", "filter")


async def test_it_remembers_so_many_models_and_no_more(fallback: Fallback, models: Models) -> None:
    for number in range(LIMIT + 20):
        models.will("a:1", Fail("bad_request"))
        await fallback.model(request(f"session-{number}"), models)
    assert len(fallback._rests._kept) == LIMIT


def test_the_spellings_of_hermes_agent_are_read(tmp_path: Path, time: Time) -> None:
    one = made(
        tmp_path,
        time,
        Settings(models=("a:1",)),
        fallback_providers=[Entry("openrouter", "z-ai/glm"), Entry("custom", "qwen")],
        fallback_model=Entry("a", "1"),
    )
    assert one.settings.models == ("a:1", "openrouter:z-ai/glm", "openai:qwen")
    with pytest.raises(ConfigError, match="'gpt' names no model"):
        made(tmp_path, time, ["gpt"])


# -- whole turns ----------------------------------------------------------------------------------


async def say(conversation: Any) -> tuple[TurnFinished, list[Event]]:
    events = [event async for event in conversation.send("Hello")]
    last = events[-1]
    assert isinstance(last, TurnFinished)
    return last, events


async def test_a_turn_stays_with_the_model_that_answered_and_the_next_tries_the_first(
    tmp_path: Path, time: Time
) -> None:
    first = ScriptedProvider(DEAD, "I am back.", name="scripted")
    second = ScriptedProvider(Say(calls=(Call("probe"),)), "Done.", name="b")
    links = [AllowAll(), made(tmp_path, time, ["b:1"])]
    offers = {"providers": {"b": second}}
    async with open_runtime(
        tmp_path, provider=first, middleware=links, offers=offers, tools=[make_tool()]
    ) as runtime:
        conversation = runtime.session(make_key())
        last, events = await say(conversation)
        assert (last.reply, last.model, last.fallback) == ("Done.", "b:1", True)
        said = [event.text for event in events if isinstance(event, Notice)]
        assert said == [
            "scripted:model: Incorrect API key",
            "b:1 answered instead of scripted:model.",
        ]
        assert (len(first.requests), len(second.requests)) == (1, 2)
        last, _ = await say(conversation)
        assert (last.reply, last.fallback) == ("I am back.", False)
    assert len(second.requests) == 2
