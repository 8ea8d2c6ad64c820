"""A gateway on Telegram: the real client, the real gateway, a Bot API on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from hermes.gateway import Gateway
from hermes.middleware import Middleware, Next, Stage
from hermes.platform import Admission, Inbound
from hermes.runtime import Runtime
from hermes.testing import MemoryStore, ScriptedProvider, TelegramServer, make_context
from hermes.testing.answers import Call, Say
from hermes.testing.markdown import generate
from hermes.testing.runtime import AllowAll, open_runtime
from hermes.tools import READ, TOGETHER, ToolCall, tool
from hermes.turn import Question
from hermes_plugin_commands.messenger import approve
from hermes_plugin_telegram.platform import TelegramPlatform
from hermes_plugin_telegram.settings import TelegramSettings

pytestmark = pytest.mark.filterwarnings("ignore:.*retry_after")  # it will be another type one day


class LetIn(Middleware):
    """Everybody is a user of their own."""

    stage = Stage.GUARD

    async def receive(self, inbound: Inbound, call_next: Next[Inbound, Admission]) -> Admission:
        person = f"p{inbound.sender.id}"
        return await call_next(msgspec.structs.replace(inbound, role="user", person=person))


@tool(effect=READ, needs=set(), lane=TOGETHER)
async def ask(*, call: ToolCall) -> str:
    """Ask the person."""
    question = Question("Really?", ("once", "deny"), "approval", call.request.id, "digest")
    return (await call.ask(question)).choice


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with TelegramServer() as server:
        yield server


@contextlib.asynccontextmanager
async def serving(
    home: Path,
    telegram: TelegramServer,
    provider: ScriptedProvider,
    store: MemoryStore | None = None,
    **settings: Any,
) -> AsyncIterator[Runtime]:
    given = TelegramSettings(base_url=telegram.url, poll_seconds=1, answer_seconds=1.0, **settings)
    secrets = {"TELEGRAM_BOT_TOKEN": telegram.token}
    platform = TelegramPlatform(
        make_context("telegram", home=home, settings=given, secrets=secrets)
    )
    async with open_runtime(
        home,
        provider=provider,
        store=store,
        tools=[ask],
        middleware=[AllowAll(), LetIn()],
        settings={"gateway": {"busy": "queue"}},
        offers={
            "platforms": {"telegram": platform},
            "commands": {"approve": approve},
        },
        surface="gateway",
    ) as runtime:
        gateway = Gateway(runtime)
        task = asyncio.ensure_future(gateway.run())
        try:
            yield runtime
        finally:
            gateway.stop()
            await task


async def settled(runtime: Runtime, telegram: TelegramServer, seconds: float = 10.0) -> None:
    """Wait until every update is confirmed, answered and the answers are sent."""
    async with asyncio.timeout(seconds):
        await telegram.drained(seconds)
        while await runtime.store.pending("inbox") or await runtime.store.pending("outbox"):
            await asyncio.sleep(0.01)


async def test_a_conversation(tmp_path: Path, telegram: TelegramServer) -> None:
    anna = telegram.private("Anna")
    said = anna.say("Hi")
    async with serving(
        tmp_path, telegram, ScriptedProvider("**Hello** there."), reactions=True
    ) as runtime:
        await settled(runtime, telegram)
        await telegram.called("setMyCommands")
    (message,) = anna.of_bot
    assert message["text"] == "Hello there."
    assert message["entities"] == [{"type": "bold", "offset": 0, "length": 5}]
    assert message["reply_to_message"]["text"] == "Hi"
    assert "typing" in anna.actions
    assert anna.reactions == {said["message_id"]: "👍"}
    assert "approve" in [command["command"] for command in telegram.commands]


async def test_an_answer_grows_as_a_draft_and_the_reply_replaces_it(
    tmp_path: Path, telegram: TelegramServer
) -> None:
    anna, hold = telegram.private("Anna"), asyncio.Event()
    answer = Say(chunks=("It ", "grows ", "**slowly**."), hold=hold, hold_after=1)
    async with serving(tmp_path, telegram, ScriptedProvider(answer)) as runtime:
        anna.say("Hi")
        await telegram.called("sendMessage")
        assert anna.shown == ["It"]
        hold.set()
        await settled(runtime, telegram)
    assert anna.shown == ["It grows slowly."]
    assert anna.of_bot[0]["entities"] == [{"type": "bold", "offset": 9, "length": 6}]


async def test_a_long_reply_comes_in_parts_that_telegram_takes(
    tmp_path: Path, telegram: TelegramServer
) -> None:
    anna, random = telegram.private("Anna"), Random(5)
    reply = "\n\n".join(generate(random) for _ in range(4))
    async with serving(tmp_path, telegram, ScriptedProvider(reply)) as runtime:
        anna.say("Hi")
        await settled(runtime, telegram, 30)
    assert len(anna.shown) > 2
    assert [call.error for call in telegram.calls if call.error] == []


async def test_a_question_is_answered_by_a_button(tmp_path: Path, telegram: TelegramServer) -> None:
    anna = telegram.private("Anna")
    provider = ScriptedProvider(Say(calls=(Call("ask"),)), lambda request: tool_said(request))
    async with serving(tmp_path, telegram, provider) as runtime:
        anna.say("Do it")
        await telegram.called("sendMessage")
        assert anna.shown[0].startswith("Really?")
        query = anna.press("once")
        await settled(runtime, telegram)
    assert anna.shown[-1] == "once"
    assert query in telegram.answered


def tool_said(request: Any) -> str:
    """Give what the tool answered."""
    return str(request.spec.messages[-1].parts[-1].text)


async def test_a_picture_reaches_the_model(tmp_path: Path, telegram: TelegramServer) -> None:
    anna, provider = telegram.private("Anna"), ScriptedProvider("A pixel.")
    async with serving(tmp_path, telegram, provider) as runtime:
        anna.send("photo", caption="What is it?")
        await settled(runtime, telegram)
    assert anna.shown == ["A pixel."]
    parts = provider.requests[0].messages[-1].parts
    assert [type(part).__name__ for part in parts] == ["Text", "Image"]


async def test_topics_and_people_have_conversations_of_their_own(
    tmp_path: Path, telegram: TelegramServer
) -> None:
    forum, anna = telegram.group("Forum", topics=2), telegram.private("Anna")

    def count(request: Any) -> str:
        return f"{len(request.spec.messages)} {request.spec.messages[-1].text[-3:]}"

    async with serving(tmp_path, telegram, ScriptedProvider(*[count] * 3)) as runtime:
        forum.say("@test_bot one", topic=2)
        forum.say("@test_bot two", topic=3)
        anna.say("six")
        await settled(runtime, telegram)
        assert len(await runtime.store.sessions()) == 3
    answers = {(m["message_thread_id"], m["text"][-3:]) for m in forum.of_bot}
    assert answers == {(2, "one"), (3, "two")}


async def test_a_flood_limit_delays_a_reply_and_loses_none(
    tmp_path: Path, telegram: TelegramServer
) -> None:
    telegram.limit_floods(3, 1.0, retry_after=1)
    anna = telegram.private("Anna")
    async with serving(
        tmp_path, telegram, ScriptedProvider(*[f"answer {n}" for n in range(6)])
    ) as runtime:
        for number in range(6):
            anna.say(f"{number}")
        await settled(runtime, telegram, 20)
    assert anna.shown == [f"answer {n}" for n in range(6)]
    assert telegram.impatient == 0


async def test_what_was_queued_while_we_were_away_is_answered_once(
    tmp_path: Path, telegram: TelegramServer
) -> None:
    anna, store = telegram.private("Anna"), MemoryStore()
    provider = ScriptedProvider(*[lambda r: f"re: {r.spec.messages[-1].text}"] * 40)
    said = 0
    for _ in range(4):
        for _ in range(10):
            anna.say(f"message {said}")
            said += 1
        async with serving(tmp_path, telegram, provider, store) as runtime:
            await settled(runtime, telegram, 30)
    assert anna.shown == [f"re: message {n}" for n in range(40)]
