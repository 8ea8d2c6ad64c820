"""Turns as people and programs live them: the real loop, gate, leases and fold."""

from __future__ import annotations

import asyncio
import time
import weakref
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hermes.conversation import Conversation
from hermes.errors import Busy, Failed, Failure, HermesError, StoreError
from hermes.events import (
    AgentEvicted,
    Answered,
    Asked,
    Event,
    Notice,
    StreamRestarted,
    TextChunk,
    ToolFinished,
    ToolStarted,
    TurnFinished,
)
from hermes.memory import Memory
from hermes.middleware import Middleware, Next, Stage
from hermes.prompt import PromptSection, PromptSession
from hermes.provider import ModelInfo, ModelRequest, ModelResponse
from hermes.records import Answer, Ended, Finished
from hermes.service import Observer
from hermes.session import Authority, SessionInfo
from hermes.testing import make_key
from hermes.testing.answers import Call, Fail, Say
from hermes.testing.provider import ScriptedProvider
from hermes.testing.runtime import AllowAll, kinds, open_runtime
from hermes.testing.store import MemoryStore
from hermes.tools import ALONE, READ, TOGETHER, Tool, ToolCall, ToolResult, Toolset, tool
from hermes.turn import Question, Turn, TurnResult

running: list[str] = []


@tool(effect=READ, needs={"read"}, lane=TOGETHER)
async def look(at: str, seconds: float = 0.0) -> str:
    """Look at something."""
    await asyncio.sleep(seconds)
    return f"saw {at}"


@tool(needs={"run"}, lane=ALONE)
async def act(what: str, seconds: float = 0.0) -> str:
    """Do something that cannot be taken back."""
    await asyncio.sleep(seconds)
    return f"did {what}"


@tool(effect=READ, needs=set(), lane=TOGETHER)
async def shout(size: int) -> str:
    """Say a lot."""
    return "".join(f"line {n}\n" for n in range(size))


async def heard(events: Any) -> list[Event]:
    return [event async for event in events]


def end(events: list[Event]) -> TurnFinished:
    last = events[-1]
    assert isinstance(last, TurnFinished)
    return last


def calls(*names_and_arguments: tuple[str, str]) -> Say:
    return Say(calls=tuple(Call(name, arguments) for name, arguments in names_and_arguments))


async def test_an_answer_streams_and_is_whole_at_the_end(tmp_path: Path) -> None:
    provider = ScriptedProvider("Good morning to you")
    async with open_runtime(tmp_path, provider=provider) as runtime:
        events = await heard(runtime.session(make_key()).send("Hello"))
    text = "".join(event.text for event in events if isinstance(event, TextChunk))
    assert text == end(events).reply == "Good morning to you"
    assert end(events).usage.calls == 1


async def test_tools_run_and_their_results_go_back_in_the_models_order(tmp_path: Path) -> None:
    provider = ScriptedProvider(
        calls(("look", '{"at":"a","seconds":0.1}'), ("look", '{"at":"b"}')), "Seen."
    )
    async with open_runtime(tmp_path, provider=provider, tools=[look]) as runtime:
        conversation = runtime.session(make_key())
        events = await heard(conversation.send("Look"))
        assert end(events).reply == "Seen."
        finished = [event.text for event in events if isinstance(event, ToolFinished)]
        assert finished == ["saw b", "saw a"]  # as they came
        outputs = provider.requests[1].messages[-1].parts
        assert [part.text for part in outputs] == [
            "[From tool:look]\nsaw a",
            "[From tool:look]\nsaw b",
        ]  # type: ignore[union-attr]


async def test_four_calls_that_may_overlap_take_the_time_of_one(tmp_path: Path) -> None:
    one = ("look", '{"at":"x","seconds":0.2}')
    provider = ScriptedProvider(calls(one, one, one, one), "ok")
    async with open_runtime(tmp_path, provider=provider, tools=[look]) as runtime:
        began = time.monotonic()
        await heard(runtime.session(make_key()).send("Look"))
    assert time.monotonic() - began < 0.6


async def test_a_call_that_excludes_others_keeps_its_place(tmp_path: Path) -> None:
    order: list[str] = []

    @tool(effect=READ, needs=set(), lane=TOGETHER)
    async def read(name: str) -> str:
        """Read."""
        order.append(f"{name} begins")
        await asyncio.sleep(0.05)
        order.append(f"{name} ends")
        return ""

    @tool(needs=set(), lane=ALONE)
    async def write() -> str:
        """Write."""
        order.append("write begins")
        await asyncio.sleep(0.05)
        order.append("write ends")
        return ""

    answer = calls(("read", '{"name":"1"}'), ("write", "{}"), ("read", '{"name":"2"}'))
    provider = ScriptedProvider(answer, "ok")
    async with open_runtime(tmp_path, provider=provider, tools=[read, write]) as runtime:
        await heard(runtime.session(make_key()).send("go"))
    assert order == [
        "1 begins", "1 ends", "write begins", "write ends", "2 begins", "2 ends",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("nope", "{}", "There is no tool 'nope'"),
        ("look", '{"at":', "must be one JSON object: Input data was truncated"),
        ("look", "[]", "must be one JSON object: Expected `object`, got `array`"),
        ("look", '{"to":"x"}', "Invalid arguments for look"),
        ("look", '{"at":"x","seconds":"soon"}', "Expected `float`, got `str` - at `$.seconds`"),
    ],
)
async def test_a_malformed_call_is_answered_with_what_would_mend_it(
    tmp_path: Path, name: str, arguments: str, says: str
) -> None:
    provider = ScriptedProvider(calls((name, arguments)), "ok")
    async with open_runtime(tmp_path, provider=provider, tools=[look]) as runtime:
        events = await heard(runtime.session(make_key()).send("go"))
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert finished.is_error and says in finished.text
    assert end(events).status == "ok"


async def test_without_a_policy_every_tool_is_denied(tmp_path: Path) -> None:
    ran = False

    @tool(effect=READ, needs=set(), lane=TOGETHER)
    async def harmless() -> str:
        """Do nothing."""
        nonlocal ran
        ran = True
        return ""

    provider = ScriptedProvider(calls(("harmless", "{}")), "ok")
    async with open_runtime(
        tmp_path, provider=provider, tools=[harmless], middleware=[]
    ) as runtime:
        events = await heard(runtime.session(make_key()).send("go"))
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert not ran
    assert "Denied" in finished.text and "approvals" in finished.text
    assert not [event for event in events if isinstance(event, ToolStarted)]


async def test_a_grant_holds_for_the_granted_bytes_only(tmp_path: Path) -> None:
    class GrantsThenChanges(Middleware):
        stage = Stage.GUARD

        async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
            return await call_next(call.granted("me").replace(arguments={"what": "worse"}))

    provider = ScriptedProvider(calls(("act", '{"what":"good"}')), "ok")
    async with open_runtime(
        tmp_path, provider=provider, tools=[act], middleware=[GrantsThenChanges()]
    ) as runtime:
        events = await heard(runtime.session(make_key()).send("go"))
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert finished.is_error and "changed after it was allowed" in finished.text


async def test_a_policy_that_raises_denies_and_is_named(tmp_path: Path) -> None:
    class Broken(Middleware):
        stage = Stage.GUARD

        async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
            raise KeyError("oops")

    provider = ScriptedProvider(calls(("act", '{"what":"x"}')), "ok")
    async with open_runtime(
        tmp_path, provider=provider, tools=[act], middleware=[Broken()]
    ) as runtime:
        events = await heard(runtime.session(make_key()).send("go"))
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert finished.is_error and "middleware broken failed at tool" in finished.text


async def test_each_request_begins_with_the_bytes_of_the_one_before(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    store = MemoryStore()
    for n in range(20):
        provider.will(calls(("look", f'{{"at":"{n}"}}')), f"answer {n}")
    key = make_key()
    for n in range(20):
        async with open_runtime(tmp_path, provider=provider, store=store, tools=[look]) as runtime:
            await heard(runtime.session(key).send(f"question {n}"))  # a restart before each
    for before, after in zip(provider.requests, provider.requests[1:], strict=False):
        assert (after.prompt, after.tools) == (before.prompt, before.tools)
        assert after.messages[: len(before.messages)] == before.messages
    assert len(provider.requests) == 40


async def test_a_long_output_is_kept_whole_and_the_model_gets_head_tail_and_address(
    tmp_path: Path,
) -> None:
    provider = ScriptedProvider(calls(("shout", '{"size":100000}')), "ok")
    async with open_runtime(tmp_path, provider=provider, tools=[shout]) as runtime:
        conversation = runtime.session(make_key())
        await heard(conversation.send("go"))
        records = await runtime.store.records(conversation.info.id)
    (finished,) = [record.body for record in records if isinstance(record.body, Finished)]
    assert len(finished.text) < 8_192
    assert finished.text.startswith("line 0\n") and finished.text.endswith("line 99999\n")
    kept = tmp_path / "outputs" / finished.output.removeprefix("output:")
    assert finished.output in finished.text
    assert kept.read_text().count("\n") == 100_000


async def test_stop_in_the_middle_of_a_stream_keeps_what_was_said(tmp_path: Path) -> None:
    hold = asyncio.Event()
    provider = ScriptedProvider(Say("one two three", hold=hold, hold_after=2), "And on.")
    async with open_runtime(tmp_path, provider=provider) as runtime:
        conversation = runtime.session(make_key())
        events: list[Event] = []
        async for event in conversation.send("count"):
            events.append(event)
            if isinstance(event, TextChunk):
                assert await conversation.stop()
        assert end(events).status == "cancelled"
        assert provider.cancelled == 1
        assert end(await heard(conversation.send("go on"))).reply == "And on."
        partial = provider.requests[-1].messages[1]
        assert partial.text in ("one", "one two")
        records = await runtime.store.records(conversation.info.id)
    assert [r.body.partial for r in records if isinstance(r.body, Answer)] == [True, False]


async def test_stop_in_a_long_tool_is_quick_and_keeps_finished_results(tmp_path: Path) -> None:
    answer = calls(("look", '{"at":"a"}'), ("look", '{"at":"b","seconds":600}'))
    provider = ScriptedProvider(answer, "after")
    async with open_runtime(tmp_path, provider=provider, tools=[look]) as runtime:
        conversation = runtime.session(make_key())
        stopped_at = 0.0
        async for event in conversation.send("go"):
            if isinstance(event, ToolFinished) and event.text == "saw a":
                stopped_at = time.monotonic()
                await conversation.stop()
            if isinstance(event, TurnFinished):
                assert event.status == "cancelled"
        assert time.monotonic() - stopped_at < 1
        await heard(conversation.send("and?"))
    outputs = provider.requests[-1].messages[2].parts
    assert next(part.text for part in outputs) == "[From tool:look]\nsaw a"  # type: ignore[union-attr]
    assert "Cancelled" in outputs[1].text  # type: ignore[union-attr]


async def test_a_failure_of_the_model_is_a_line_and_the_next_message_works(tmp_path: Path) -> None:
    provider = ScriptedProvider(Fail("bad_request", "no such model: x"), "better")
    async with open_runtime(tmp_path, provider=provider) as runtime:
        conversation = runtime.session(make_key())
        failed = end(await heard(conversation.send("one")))
        assert (failed.status, failed.reply) == ("failed", "no such model: x")
        assert end(await heard(conversation.send("two"))).reply == "better"
        records = await runtime.store.records(conversation.info.id)
    ended = [record.body for record in records if isinstance(record.body, Ended)]
    assert ended[0].failure is not None and ended[0].failure.kind == "bad_request"


async def test_an_empty_answer_is_said_not_shown_as_silence(tmp_path: Path) -> None:
    async with open_runtime(tmp_path, provider=ScriptedProvider("  ")) as runtime:
        finished = end(await heard(runtime.session(make_key()).send("one")))
    assert finished.status == "failed" and "empty answer" in finished.reply


async def test_a_turn_ends_at_its_limit_with_a_chance_to_answer(tmp_path: Path) -> None:
    provider = ScriptedProvider(*[calls(("look", '{"at":"x"}'))] * 3, "That is all.")
    async with open_runtime(tmp_path, provider=provider, tools=[look]) as runtime:
        finished = end(await heard(runtime.session(make_key()).send("go", steps=3)))
    assert finished.reply == "That is all."
    assert "limit of steps" in provider.requests[-1].messages[-1].text


async def test_a_model_that_never_answers_is_stopped(tmp_path: Path) -> None:
    provider = ScriptedProvider(*[calls(("look", '{"at":"x"}'))] * 10)
    async with open_runtime(tmp_path, provider=provider, tools=[look]) as runtime:
        finished = end(await heard(runtime.session(make_key()).send("go", steps=3)))
    assert finished.status == "failed" and len(provider.requests) == 4


class Asks(Middleware):
    """A policy that asks about everything."""

    stage = Stage.GUARD

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        reply = await call.ask(
            Question(
                f"Run {call.request.tool}?",
                ("once", "deny"),
                "approval",
                about=call.request.id,
                digest=call.digest,
            )
        )
        if reply.denied:
            return ToolResult.error(f"denied: {reply.text}")
        return await call_next(call.granted("asks"))


ME = Authority("test", role="owner", can_ask=True)


async def test_a_question_is_answered_once_and_from_anywhere(tmp_path: Path) -> None:
    provider = ScriptedProvider(calls(("act", '{"what":"it"}')), "done")
    store = MemoryStore()
    async with (
        open_runtime(
            tmp_path, provider=provider, store=store, tools=[act], middleware=[Asks()]
        ) as runtime,
        open_runtime(tmp_path, provider=provider, store=store) as elsewhere,
    ):
        conversation = runtime.session(make_key())
        events: list[Event] = []
        async for event in conversation.send("go", authority=ME):
            events.append(event)
            if isinstance(event, Asked):
                assert await elsewhere.answer(event.id, "once", by="phone")
                assert not await runtime.answer(event.id, "deny")
                assert not await elsewhere.answer("no-such-id", "once")
        (answered,) = [event for event in events if isinstance(event, Answered)]
        assert (answered.choice, answered.by) == ("once", "phone")
        assert not await runtime.answer(answered.id, "once")
        records = await store.records(conversation.info.id)
    assert kinds(records) == [
        "opened", "user", "model", "asked", "answered", "started", "finished", "model", "ended",
    ]  # fmt: skip


async def test_where_nobody_can_be_asked_the_answer_is_no_at_once(tmp_path: Path) -> None:
    provider = ScriptedProvider(calls(("act", '{"what":"it"}')), "ok")
    async with open_runtime(
        tmp_path, provider=provider, tools=[act], middleware=[Asks()]
    ) as runtime:
        events = await heard(runtime.session(make_key()).send("go"))
    assert not [event for event in events if isinstance(event, Asked)]
    (finished,) = [event for event in events if isinstance(event, ToolFinished)]
    assert "nobody can be asked" in finished.text


async def test_stop_while_a_question_waits(tmp_path: Path) -> None:
    provider = ScriptedProvider(calls(("act", '{"what":"it"}')), "ok")
    async with open_runtime(
        tmp_path, provider=provider, tools=[act], middleware=[Asks()]
    ) as runtime:
        conversation = runtime.session(make_key())
        asked = ""
        async for event in conversation.send("go", authority=ME):
            if isinstance(event, Asked):
                asked = event.id
                await conversation.stop()
        assert isinstance(event, TurnFinished) and event.status == "cancelled"
        assert not await runtime.answer(asked, "once")


async def test_messages_on_a_busy_conversation_wait_interrupt_or_steer(tmp_path: Path) -> None:
    hold = asyncio.Event()
    slow = calls(("look", '{"at":"x","seconds":0.2}'))
    provider = ScriptedProvider(slow, "steered answer", "second", Say("never", hold=hold), "last")
    async with open_runtime(tmp_path, provider=provider, tools=[look]) as runtime:
        conversation = runtime.session(make_key())
        await conversation.load()
        first = asyncio.ensure_future(heard(conversation.send("one")))
        await provider.asked(1)
        steer = asyncio.ensure_future(heard(conversation.send("also this", busy="steer")))
        queued = asyncio.ensure_future(heard(conversation.send("two")))
        assert end(await first).reply == end(await steer).reply == "steered answer"
        assert provider.requests[1].messages[-1].text == "also this"
        assert end(await queued).reply == "second"
        third = asyncio.ensure_future(heard(conversation.send("three")))
        await provider.asked(4)
        fourth = asyncio.ensure_future(heard(conversation.send("four", busy="interrupt")))
        assert end(await third).status == "cancelled"
        assert end(await fourth).reply == "last"


async def test_undo_and_retry_leave_the_records_and_change_what_is_seen(tmp_path: Path) -> None:
    provider = ScriptedProvider("a", "b", "c")
    async with open_runtime(tmp_path, provider=provider) as runtime:
        conversation = runtime.session(make_key())
        await heard(conversation.send("one"))
        await heard(conversation.send("two"))
        assert end(await heard(conversation.retry())).reply == "c"
        assert [m.text for m in await conversation.messages()] == ["one", "a", "two", "c"]
        assert [m.text for m in provider.requests[-1].messages] == ["one", "a", "two"]
        assert await conversation.undo(5) == "one"
        assert await conversation.messages() == ()
        assert kinds(await runtime.store.records(conversation.info.id)).count("user") == 3


async def test_a_new_conversation_leaves_the_old_one_to_be_resumed(tmp_path: Path) -> None:
    provider = ScriptedProvider("a", "b", "c")
    async with open_runtime(tmp_path, provider=provider) as runtime:
        key = make_key()
        old = runtime.session(key)
        await heard(old.send("one"))
        fresh = await old.new()
        await heard(fresh.send("two"))
        assert (await runtime.session(key).load()).id == fresh.info.id != old.info.id
        again: Conversation = await runtime.conversation(id=old.info.id)
        await again.bind(key)
        await heard(runtime.session(key).send("three"))
    assert [m.text for m in provider.requests[-1].messages] == ["one", "a", "three"]


class Substitute(Middleware):
    """Answers by another model when the first one fails."""

    stage = Stage.REROUTE

    async def model(
        self, request: ModelRequest, call_next: Next[ModelRequest, ModelResponse]
    ) -> ModelResponse:
        try:
            return await call_next(request)
        except Failed:
            again = request.again("the first failed", model="scripted:other")
            return msgspec.structs.replace(await call_next(again), fallback=True)


async def test_a_substituted_model_is_said_and_the_next_turn_tries_the_first(
    tmp_path: Path,
) -> None:
    provider = ScriptedProvider(Fail("transient"), "from the other", "from the first")
    async with open_runtime(
        tmp_path, provider=provider, middleware=[AllowAll(), Substitute()]
    ) as runtime:
        conversation = runtime.session(make_key())
        events = await heard(conversation.send("one"))
        assert end(events).fallback and end(events).model == "scripted:other"
        assert [event for event in events if isinstance(event, StreamRestarted)]
        assert [event for event in events if isinstance(event, Notice)]
        await heard(conversation.send("two"))
    assert [spec.model for spec in provider.requests] == [
        "scripted:model", "scripted:other", "scripted:model",
    ]  # fmt: skip


async def test_within_a_turn_the_route_stays_with_the_model_that_answered(tmp_path: Path) -> None:
    provider = ScriptedProvider(Fail("transient"), calls(("look", '{"at":"x"}')), "done")
    async with open_runtime(
        tmp_path, provider=provider, tools=[look], middleware=[AllowAll(), Substitute()]
    ) as runtime:
        await heard(runtime.session(make_key()).send("one"))
    assert [spec.model for spec in provider.requests] == [
        "scripted:model", "scripted:other", "scripted:other",
    ]  # fmt: skip


async def test_a_model_without_tools_gets_none(tmp_path: Path) -> None:
    provider = ScriptedProvider("small", info=ModelInfo("model", tools=False))
    async with open_runtime(tmp_path, provider=provider, tools=[look]) as runtime:
        await heard(runtime.session(make_key()).send("Hello"))
    assert provider.requests[0].tools == ()


async def test_a_provider_with_a_bug_is_named(tmp_path: Path) -> None:
    def bug(request: Any) -> Any:
        raise ZeroDivisionError("division by zero")

    async with open_runtime(tmp_path, provider=ScriptedProvider(bug)) as runtime:
        finished = end(await heard(runtime.session(make_key()).send("Hello")))
    assert finished.status == "failed"
    assert "provider scripted failed" in finished.reply and "division by zero" in finished.reply


class Remembers(Memory):
    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.recorded: list[str] = []

    async def recall(self, turn: Turn) -> str:
        await asyncio.sleep(self.seconds)
        return "[They like tea.]"

    async def record(self, turn: Turn, result: TurnResult) -> None:
        self.recorded.append(result.reply)


async def test_what_memory_recalls_is_recorded_beside_the_message(tmp_path: Path) -> None:
    memory = Remembers()
    provider = ScriptedProvider("a", "b")
    async with open_runtime(
        tmp_path, provider=provider, settings={"memory": "m"}, offers={"memory": {"m": memory}}
    ) as runtime:
        conversation = runtime.session(make_key())
        await heard(conversation.send("one"))
        await heard(conversation.send("two"))
    assert memory.recorded == ["a", "b"]
    said = [message.text for message in provider.requests[-1].messages]
    assert said[0] == "one\n\n[They like tea.]"


async def test_a_slow_memory_does_not_hold_up_the_answer(tmp_path: Path) -> None:
    provider = ScriptedProvider("a")
    async with open_runtime(
        tmp_path,
        provider=provider,
        settings={"memory": "m"},
        offers={"memory": {"m": Remembers(60)}},
    ) as runtime:
        began = time.monotonic()
        assert end(await heard(runtime.session(make_key()).send("one"))).reply == "a"
        assert time.monotonic() - began < 1.5


class Broken(Remembers):
    """Fails, or hangs, wherever it is asked."""

    def __init__(self, opens: str = "well", recalls: str = "well") -> None:
        super().__init__()
        self.opens, self.recalls = opens, recalls

    async def open(self) -> None:
        await self._do(self.opens)

    async def recall(self, turn: Turn) -> str:
        await self._do(self.recalls)
        return "[Broken, not quite.]"

    async def record(self, turn: Turn, result: TurnResult) -> None:
        await self._do("raises")

    async def _do(self, how: str) -> None:
        if how == "hangs":
            await asyncio.sleep(3600)
        if how in ("raises", "exits"):
            raise ValueError(how) if how == "raises" else SystemExit(how)


@pytest.mark.parametrize(
    "broken",
    [
        Broken(opens="raises"),
        Broken(opens="exits"),
        Broken(opens="hangs"),
        Broken(recalls="raises"),
        Broken(recalls="exits"),
        Broken(recalls="hangs"),
        Broken(),
    ],
    ids=lambda broken: f"{broken.opens}-{broken.recalls}",
)
async def test_memories_stand_beside_each_other_and_one_fails_alone(
    tmp_path: Path, broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermes.runtime.OPENING", 0.2)
    good, provider = Remembers(), ScriptedProvider("a", "b", "c")
    async with open_runtime(
        tmp_path,
        provider=provider,
        settings={"memory": "other"},
        offers={"memory": {"files": good, "other": broken}},
    ) as runtime:
        conversation = runtime.session(make_key())
        for text in ("one", "two", "three"):
            done = end(await heard(conversation.send(text)))
            assert done.status == "ok"
    assert good.recorded == ["a", "b", "c"]
    said = provider.requests[-1].messages[0].text
    both = broken.opens == broken.recalls == "well"
    assert said == "one\n\n[They like tea.]" + ("\n\n[Broken, not quite.]" if both else "")


async def test_a_memory_that_opens_late_takes_part_once_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermes.runtime.OPENING", 0.05)
    ready = asyncio.Event()

    class Late(Remembers):
        async def open(self) -> None:
            await ready.wait()

    provider = ScriptedProvider("a", "b")
    async with open_runtime(
        tmp_path, provider=provider, offers={"memory": {"late": Late()}}
    ) as runtime:
        conversation = runtime.session(make_key())
        await heard(conversation.send("one"))
        ready.set()
        await asyncio.sleep(0)
        await heard(conversation.send("two"))
    assert [m.text for m in provider.requests[-1].messages if m.role == "user"] == [
        "one",
        "two\n\n[They like tea.]",
    ]


async def test_a_memory_is_told_what_the_model_sees_already(tmp_path: Path) -> None:
    seen: list[tuple[str, list[str]]] = []

    class Looks(Remembers):
        async def recall(self, turn: Turn) -> str:
            seen.append((turn.prompt, [message.text for message in turn.messages]))
            return ""

    class Says(PromptSection):
        async def render(self, session: PromptSession) -> str:
            return "Be brief."

    async with open_runtime(
        tmp_path,
        provider=ScriptedProvider("a", "b"),
        offers={"memory": {"looks": Looks()}, "prompts": {"says": Says()}},
    ) as runtime:
        conversation = runtime.session(make_key())
        for text in ("one", "two"):
            await heard(conversation.send(text))
    assert seen == [("", []), ("Be brief.", ["one", "a"])]


async def test_turn_middleware_may_answer_without_running(tmp_path: Path) -> None:
    class Blocks(Middleware):
        async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
            return TurnResult("blocked", "not now")

    provider = ScriptedProvider()
    async with open_runtime(tmp_path, provider=provider, middleware=[Blocks()]) as runtime:
        conversation = runtime.session(make_key())
        finished = end(await heard(conversation.send("one")))
        assert (finished.status, finished.reply) == ("blocked", "not now")
        assert await runtime.store.records(conversation.info.id) == []
    assert provider.requests == []


async def test_turn_middleware_that_raises_fails_the_turn_and_is_named(tmp_path: Path) -> None:
    class Raises(Middleware):
        async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
            await call_next(turn)
            raise RuntimeError("late")

    async with open_runtime(
        tmp_path, provider=ScriptedProvider("a", "b"), middleware=[Raises()]
    ) as runtime:
        conversation = runtime.session(make_key())
        finished = end(await heard(conversation.send("one")))
        assert finished.status == "failed" and "middleware raises failed at turn" in finished.reply
        records = await runtime.store.records(conversation.info.id)
    assert kinds(records)[-1] == "ended"


async def test_one_message_costs_two_commits_and_a_reading_step_one_more(tmp_path: Path) -> None:
    commits: list[int] = []

    class Counting(MemoryStore):
        async def commit(self, changes: Any) -> None:
            commits.append(len(changes))
            await super().commit(changes)

    provider = ScriptedProvider(
        "a", calls(("look", '{"at":"x"}')), "b", calls(("act", '{"what":"x"}')), "c"
    )
    async with open_runtime(
        tmp_path, provider=provider, store=Counting(), tools=[look, act]
    ) as runtime:
        conversation = runtime.session(make_key())
        counts = []
        for text in ("one", "two", "three"):
            commits.clear()
            await heard(conversation.send(text))
            counts.append(len(commits))
    assert counts == [2, 3, 4]  # take and end; a READ step one; a step with an effect two


async def test_a_failure_class_is_a_value(tmp_path: Path) -> None:
    assert Failure("rate_limit", "slow down").retryable
    assert not Failure("auth", "who?").retryable


async def test_two_messages_at_once_to_a_new_place_are_one_conversation(tmp_path: Path) -> None:
    provider = ScriptedProvider("a", "b")
    async with open_runtime(tmp_path, provider=provider) as runtime:
        key = make_key()
        both = [heard(runtime.session(key).send(text)) for text in ("one", "two")]
        assert {end(events).reply for events in await asyncio.gather(*both)} == {"a", "b"}
        (_,) = await runtime.store.sessions()
    assert [m.text for m in provider.requests[-1].messages] == ["one", "a", "two"]


async def test_stop_reaches_a_message_that_has_not_begun_and_leaves_those_behind_it(
    tmp_path: Path,
) -> None:
    provider = ScriptedProvider("the second")
    async with open_runtime(tmp_path, provider=provider) as runtime:
        conversation = runtime.session(make_key())
        await conversation.load()
        both = [asyncio.ensure_future(heard(conversation.send(text))) for text in ("one", "two")]
        mailbox = runtime.mailbox(conversation.info.id)
        while mailbox.waiting < 2 and mailbox.running is None:
            await asyncio.sleep(0)
        assert mailbox.stop()
        first, second = [end(await task) for task in both]
        assert (first.status, second.reply) == ("cancelled", "the second")
        assert len(provider.requests) == 1  # nothing began after the stop
        assert not await conversation.stop()


async def test_a_message_with_a_stop_of_its_own_is_stopped_alone(tmp_path: Path) -> None:
    hold = asyncio.Event()
    provider = ScriptedProvider(Say("one", hold=hold), "three")
    async with open_runtime(tmp_path, provider=provider) as runtime:
        conversation = runtime.session(make_key())
        stop = asyncio.Event()
        first = asyncio.ensure_future(heard(conversation.send("first")))
        async with asyncio.timeout(5):
            while not provider.requests:
                await asyncio.sleep(0.01)
        second = asyncio.ensure_future(heard(conversation.send("second", stop=stop)))
        third = asyncio.ensure_future(heard(conversation.send("third")))
        await asyncio.sleep(0)
        stop.set()
        hold.set()
        results = [end(await task) for task in (first, second, third)]
    assert [(r.status, r.reply) for r in results] == [
        ("ok", "one"),
        ("cancelled", "Stopped."),
        ("ok", "three"),
    ]


async def test_what_comes_too_late_to_steer_is_the_next_message_and_is_heard(
    tmp_path: Path,
) -> None:
    hold = asyncio.Event()
    provider = ScriptedProvider(Say("first", hold=hold), "second")
    async with open_runtime(tmp_path, provider=provider) as runtime:
        conversation = runtime.session(make_key())
        first = asyncio.ensure_future(heard(conversation.send("one")))
        await provider.asked(1)
        late = asyncio.ensure_future(heard(conversation.send("two", busy="steer")))
        await asyncio.sleep(0)
        hold.set()
        assert end(await first).reply == "first"
        assert end(await late).reply == "second"


async def test_closing_ends_what_waits_for_a_message_in_the_queue(tmp_path: Path) -> None:
    provider = ScriptedProvider(Say("never", hold=asyncio.Event()))
    async with open_runtime(tmp_path, provider=provider) as runtime:
        conversation = runtime.session(make_key())
        first = asyncio.ensure_future(heard(conversation.send("one")))
        await provider.asked(1)
        second = asyncio.ensure_future(heard(conversation.send("two")))
        steer = asyncio.ensure_future(heard(conversation.send("three", busy="steer")))
        await asyncio.sleep(0)
    for waiting in (first, second, steer):
        await asyncio.wait_for(waiting, 5)


async def test_a_turn_that_breaks_inside_is_told_and_the_next_message_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_runtime(tmp_path, provider=ScriptedProvider("fine")) as runtime:
        conversation = runtime.session(make_key())
        await conversation.load()
        before = runtime.agent
        broken = [True]

        async def agent(info: Any) -> Any:
            if broken:
                broken.clear()
                raise RuntimeError("a bug of ours")
            return await before(info)

        monkeypatch.setattr(runtime, "agent", agent)
        one = asyncio.ensure_future(heard(conversation.send("one")))
        two = asyncio.ensure_future(heard(conversation.send("two")))
        assert "a bug of ours" in end(await asyncio.wait_for(one, 5)).reply
        assert end(await asyncio.wait_for(two, 5)).reply == "fine"


async def test_a_journal_that_cannot_be_read_ends_the_turn_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_runtime(tmp_path, provider=ScriptedProvider("fine")) as runtime:
        conversation = runtime.session(make_key())
        await conversation.load()
        before = runtime.store.session

        async def session(id: str) -> Any:
            monkeypatch.setattr(runtime.store, "session", before)
            raise StoreError("the disk is gone")

        letters = conversation.send("one")
        mailbox = runtime.mailbox(conversation.info.id)
        put = mailbox.put

        def late(letter: Any, busy: Any) -> None:
            monkeypatch.setattr(runtime.store, "session", session)
            put(letter, busy)

        monkeypatch.setattr(mailbox, "put", late)
        assert end(await heard(letters)).reply == "the disk is gone"


async def test_undo_waits_for_no_turn_and_takes_none_that_runs(tmp_path: Path) -> None:
    hold = asyncio.Event()
    provider = ScriptedProvider("a", Say("b", hold=hold))
    async with open_runtime(tmp_path, provider=provider) as runtime:
        conversation = runtime.session(make_key())
        await heard(conversation.send("one"))
        second = asyncio.ensure_future(heard(conversation.send("two")))
        await provider.asked(2)
        with pytest.raises(Busy):
            await conversation.undo()
        hold.set()
        assert end(await second).reply == "b"
        assert await conversation.undo() == "two"


class BrokenToolset(Toolset):
    async def tools(self) -> tuple[Tool, ...]:
        raise ValueError("a bug of the plugin")


async def test_a_toolset_that_breaks_is_left_out_and_the_turn_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = ScriptedProvider(calls(("look", '{"at":"a"}')), "Seen.")
    async with open_runtime(tmp_path, provider=provider, tools=[look]) as runtime:
        create = runtime.host.create
        offers = runtime.host.offers
        broken = msgspec.structs.replace(next(iter(offers("tools").values())), name="broken")
        monkeypatch.setattr(
            runtime.host,
            "offers",
            lambda kind: {**offers(kind), **({"broken": broken} if kind == "tools" else {})},
        )
        monkeypatch.setattr(
            runtime.host,
            "create",
            lambda kind, name: BrokenToolset() if name == "broken" else create(kind, name),
        )
        assert end(await heard(runtime.session(make_key()).send("Look"))).reply == "Seen."


class Watching(Observer):
    def __init__(self) -> None:
        self.evicted: list[tuple[str, str]] = []

    async def observe(self, session: SessionInfo, event: Event) -> None:
        if isinstance(event, AgentEvicted):
            self.evicted.append((event.session, event.reason))


async def test_a_transcript_that_nobody_uses_is_dropped_and_folded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermes.runtime.IDLE", 0.05)
    hold, watching = asyncio.Event(), Watching()
    provider = ScriptedProvider("one", Say("long", hold=hold), "other", "two")
    async with open_runtime(
        tmp_path, provider=provider, offers={"observers": {"watching": watching}}
    ) as runtime:
        rested, working, other = (runtime.session(make_key(chat=name)) for name in "abc")
        await heard(rested.send("first"))
        turn = asyncio.ensure_future(heard(working.send("work")))
        await provider.asked(2)
        await asyncio.sleep(0.1)
        await heard(other.send("hello"))
        async with asyncio.timeout(5):
            while not watching.evicted:
                await asyncio.sleep(0.01)
        assert watching.evicted == [(rested.info.id, "idle")]
        hold.set()
        assert end(await turn).reply == "long"
        await heard(rested.send("second"))
    assert [m.text for m in provider.requests[-1].messages] == ["first", "one", "second"]


async def test_nothing_of_a_conversation_at_rest_is_kept_but_its_transcript(tmp_path: Path) -> None:
    async with open_runtime(tmp_path, provider=ScriptedProvider("one")) as runtime:
        conversation = runtime.session(make_key())
        await heard(conversation.send("first"))
        mailbox = weakref.ref(runtime.mailbox(conversation.info.id))
        async with asyncio.timeout(5):
            while mailbox() is not None:
                await asyncio.sleep(0.01)


async def test_a_title_that_is_taken_costs_a_new_conversation_nothing(tmp_path: Path) -> None:
    async with open_runtime(tmp_path, provider=ScriptedProvider("fine")) as runtime:
        await runtime.session(make_key("a")).rename("taken")
        conversation = runtime.session(make_key("b"), directory="/somewhere")
        with pytest.raises(HermesError):
            await conversation.rename("taken")
        await heard(conversation.send("one"))
        again = await runtime.session(make_key("b")).load()
        assert (again.id, again.directory) == (conversation.info.id, "/somewhere")


async def test_a_call_beside_a_turn_needs_no_configured_model(tmp_path: Path) -> None:
    offers = {"providers": {"local": ScriptedProvider("a title")}}
    async with open_runtime(tmp_path, offers=offers, settings={"model": ""}) as runtime:
        assert (await runtime.models.ask("title", "Name it")).text == "a title"
