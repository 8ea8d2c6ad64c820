"""Every slash command of a messenger's chat, as a person gives it there."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any

import pytest

from hermes.middleware import Middleware, Next, Stage
from hermes.provider import ModelInfo
from hermes.testing import (
    Call,
    FakePlatform,
    LetIn,
    MemoryStore,
    Say,
    ScriptedProvider,
    TelegramServer,
    open_gateway,
)
from hermes.tools import READ, TOGETHER, ToolCall, ToolResult, tool
from hermes.turn import Question
from hermes_plugin_commands import hermes_commands

ASKED_FOR = [
    "new",
    "reset",
    "stop",
    "status",
    "model",
    "retry",
    "undo",
    "title",
    "resume",
    "sessions",
    "usage",
    "platforms",
    "sethome",
    "approve",
    "deny",
    "queue",
    "steer",
    "help",
]


def commands() -> dict[str, Any]:
    """Load what the plugin offers, hidden names too."""
    made = {}
    for offer in hermes_commands():
        module, _, name = offer.target.partition(":")
        made[offer.name] = getattr(importlib.import_module(module), name)
    return {"commands": made}


@tool(effect=READ, needs=set(), lane=TOGETHER)
async def wait(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return "waited"


@tool(effect=READ, needs=set(), lane=TOGETHER)
async def ask_back(*, call: ToolCall) -> str:
    """Ask the person something."""
    return (await call.ask(Question("Which colour?"))).text


class Asks(Middleware):
    """A policy that asks about each call."""

    stage = Stage.GUARD

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        if call.request.tool == "ask_back":
            return await call_next(call.granted("asks"))
        about = (call.request.id, call.digest)
        choices = ("once", "session", "always", "deny")
        reply = await call.ask(Question("May it wait?", choices, "approval", *about))
        if reply.denied:
            return ToolResult.error(f"denied: {reply.text}")
        return await call_next(call.granted("asks"))


class Chat:
    """A person in a chat: says something, and reads what comes."""

    def __init__(self, platform: FakePlatform, chat: str = "1", sender: str = "1") -> None:
        self.platform, self.chat, self.sender = platform, chat, sender

    def say(self, text: str, **fields: Any) -> None:
        self.platform.say(text, chat=self.chat, sender=self.sender, **fields)

    @property
    def read(self) -> list[str]:
        return [part.text for part in self.platform.sent if part.key.chat == self.chat]

    async def next(self, count: int = 1) -> str:
        """Wait for *count* messages; give the last."""
        before = len(self.read)
        async with asyncio.timeout(5):
            while len(self.read) < before + count:
                await asyncio.sleep(0.005)
        return self.read[-1]

    async def ask(self, text: str, count: int = 1, **fields: Any) -> str:
        """Say something and wait for what it brings; give the last."""
        reading = asyncio.ensure_future(self.next(count))
        await asyncio.sleep(0)
        self.say(text, **fields)
        return await reading

    async def press(self, label: str) -> str:
        """Press a button of the last message and wait for what it brings."""
        shown = self.platform.sent[-1]
        assert label in shown.choices
        return await self.ask(label, answers=shown.question)


def call(seconds: float = 0) -> Say:
    return Say(calls=(Call("wait", f'{{"seconds":{seconds}}}'),))


async def test_every_command_does_in_a_chat_what_hermes_agent_has_it_do(tmp_path: Path) -> None:
    platform, other = FakePlatform(), FakePlatform(name="other")
    models = (ModelInfo("model"), ModelInfo("other"))
    provider = ScriptedProvider("A1", "A2", "A2 again", models=models)
    store = MemoryStore()
    people = LetIn({"1": "owner"})
    async with open_gateway(
        tmp_path,
        platform,
        other,
        provider=provider,
        store=store,
        tools=[wait, ask_back],
        middleware=[people, Asks()],
        offers=commands(),
    ) as gateway:
        anna = Chat(platform)

        # /help, /start, and what is none
        listed = await anna.ask("/help")
        assert all(f"/{name} " in listed for name in ASKED_FOR)
        assert "undo" in await anna.ask("/help undo")
        assert "/help" in await anna.ask("/start")
        assert "did you mean /status?" in await anna.ask("/statsu")
        assert "/help lists them" in await anna.ask("/frobnicate now")
        assert provider.requests == []

        # /retry, /undo, /usage, /status, /title
        assert await anna.ask("Q1") == "A1"
        assert await anna.ask("Q2") == "A2"
        assert await anna.ask("/retry") == "A2 again"
        assert [m.text for m in provider.requests[-1].messages] == ["Q1", "A1", "Q2"]
        assert "Took back 1 turn" in await anna.ask("/undo")
        assert "scripted:model" in await anna.ask("/usage")
        assert "Title: Our plan" in await anna.ask("/title Our plan")
        assert "Title: Our plan" in await anna.ask("/title")
        said = await anna.ask("/status")
        assert "Our plan" in said
        assert "scripted:model" in said
        assert "running       no" in said

        # /new, /reset, /sessions, /resume
        first = (await store.sessions())[0].id
        assert "A new conversation" in await anna.ask("/new Another plan")
        provider.will("B1")
        assert await anna.ask("Q3") == "B1"
        assert [m.text for m in provider.requests[-1].messages] == ["Q3"]
        assert "Our plan" in await anna.ask("/sessions")
        assert "Our plan" in await anna.ask("/resume")
        assert f"Going on with {first[:13]} Our plan" in await anna.ask("/resume Our plan")
        provider.will("A3")
        assert await anna.ask("Q4") == "A3"
        assert [m.text for m in provider.requests[-1].messages] == ["Q1", "A1", "Q4"]
        assert "A new conversation" in await anna.ask("/reset")
        provider.will("C1")
        assert await anna.ask("Q5") == "C1"
        assert [m.text for m in provider.requests[-1].messages] == ["Q5"]

        # /model
        assert "Model: scripted:model" in await anna.ask("/model")
        assert "goes on with scripted:other" in await anna.ask("/model scripted:other")
        provider.will("C2")
        assert await anna.ask("Q6") == "C2"
        assert provider.requests[-1].model == "scripted:other"
        assert "no provider 'nobody'" in await anna.ask("/model nobody:x")

        # what they list can be chosen by a button
        await anna.ask("/model")
        assert platform.sent[-1].question == "/model"
        assert platform.sent[-1].choices == ("scripted:model",)
        assert "goes on with scripted:model" in await anna.press("scripted:model")
        await anna.ask("/resume")
        assert set(platform.sent[-1].choices) == {"Our plan", "Another plan"}
        assert "Going on with" in await anna.press("Our plan")
        assert provider.requests[-1].model == "scripted:other"

        # /approve, /deny, in words too
        assert "Nothing waits" in await anna.ask("/approve")
        for order, came in (
            ("/approve", "waited"),
            ("/approve session", "waited"),
            ("yes", "waited"),
            ("/deny not today", "denied: not today"),
            ("no", "denied: "),
        ):
            provider.will(call(), "asked")
            assert "May it wait?" in await anna.ask("Go")
            replies = 1 if order in ("yes", "no") else 2
            await anna.ask(order, replies)
            assert "asked" in anna.read[-replies:]
            output = provider.requests[-1].messages[-1].parts[-1]
            assert came in output.text  # type: ignore[union-attr]
        two = Say(calls=(Call("wait", '{"seconds":0}'), Call("wait", '{"seconds":0.001}')))
        provider.will(two, "both")
        await anna.ask("Go", 2)
        await anna.ask("/approve all", 2)
        assert "both" in anna.read[-2:]
        assert "Allowed: 2 questions, once." in anna.read[-2:]

        provider.will(Say(calls=(Call("ask_back", "{}"),)), "so be it")
        assert "Which colour?" in await anna.ask("Paint it")
        assert await anna.ask("Deep blue, please") == "so be it"
        output = provider.requests[-1].messages[-1].parts[-1]
        assert "Deep blue, please" in output.text  # type: ignore[union-attr]
        provider.will(call())
        await anna.ask("Go")
        assert await anna.ask("/stop") == "Stopping."
        provider.will("a message like any")
        assert await anna.ask("yes") == "a message like any"  # nothing waits for it any more

        # /queue, /steer, /stop, /busy: a turn runs
        provider.will(call(0.3), "one", "two")
        await anna.ask("Go")
        await anna.ask("/approve")
        assert await anna.ask("/queue and then", 2) == "two"
        assert provider.requests[-1].messages[-1].text == "and then"
        provider.will(call(0.3), "steered")
        await anna.ask("Go")
        await anna.ask("/approve")
        assert await anna.ask("/steer mind this") == "steered"
        assert provider.requests[-1].messages[-1].text == "mind this"
        provider.will("as a message")
        assert await anna.ask("/steer nothing runs") == "as a message"
        provider.will(call(600))
        await anna.ask("Go")
        await anna.ask("/approve")
        assert "running       yes" in await anna.ask("/status")
        assert "A turn is running" in await anna.ask("/retry")
        assert await anna.ask("/stop") == "Stopping."
        async with asyncio.timeout(5):
            while await store.pending("inbox"):
                await asyncio.sleep(0.01)
        assert await anna.ask("/stop") == "Nothing runs here."
        assert "queue: a message" in await anna.ask("/busy queue")

        # /sethome, /platforms
        assert "home of fake" in await anna.ask("/sethome")
        await gateway.runtime.outbox.put(other_outgoing())
        assert await anna.next() == "for the home"
        said = await anna.ask("/platforms")
        assert "fake" in said
        assert "other     running" in said
        assert "nobody could resume it" in await anna.ask("/platforms pause fake")
        assert "did you mean other" in await anna.ask("/platforms pause othr")
        assert "other is paused" in await anna.ask("/platforms pause other")
        assert "other     paused" in await anna.ask("/platforms")
        other.say("is anybody there?")
        provider.will("here")
        assert "other runs again" in await anna.ask("/platform resume other")
        assert await other.said(1) == ["here"]


def other_outgoing() -> Any:
    from hermes.platform import Outgoing
    from hermes.session import SessionKey

    return Outgoing(SessionKey("fake", ""), "for the home")


async def test_a_guest_and_a_user_get_what_is_theirs(tmp_path: Path) -> None:
    platform, store = FakePlatform(), MemoryStore()
    people = LetIn({"1": "owner", "2": "user", "3": "guest"})
    async with open_gateway(
        tmp_path,
        platform,
        provider=ScriptedProvider("for the owner", "for the user"),
        store=store,
        middleware=[people],
        offers=commands(),
    ):
        owner, user, guest = (Chat(platform, chat=n, sender=n) for n in "123")
        await owner.ask("a secret of the owner's")
        await user.ask("something else")
        listed = await user.ask("/sessions")
        assert "something else" in listed
        assert "secret" not in listed
        assert "secret" not in await user.ask("/resume")
        (mine,) = await store.sessions(person="p1")
        assert "no conversation" in await user.ask(f"/resume {mine.id}")
        await owner.ask("/title The plan")
        assert "no conversation" in await user.ask("/resume The plan")
        assert "Going on with" in await owner.ask("/resume The plan")
        topic = {"group": True, "thread": "7"}  # all of the group are in it
        assert "no conversation" in await owner.ask("/resume The plan", **topic)
        assert "secret" not in await owner.ask("/resume", **topic)
        for order in (f"/sessions show {mine.id}", "/platforms pause fake", "/sethome", "/config"):
            assert "is for owners" in await user.ask(order), order
        assert "is for users" in await guest.ask("/new")
        listed = await guest.ask("/help")
        assert "/help" in listed
        assert "/new" not in listed


@pytest.mark.filterwarnings("ignore:.*retry_after")
async def test_telegrams_menu_has_them_all(system: Any) -> None:
    async with TelegramServer() as telegram:
        system.configure(
            telegram={"enabled": True, "base_url": telegram.url, "poll_seconds": 1},
        )
        (system.home / ".env").write_text(f"TELEGRAM_BOT_TOKEN={telegram.token}\n")
        await system.run("gateway", "start")
        try:
            await telegram.called("setMyCommands", seconds=30)
        finally:
            await system.run("gateway", "stop")
        menu = {command["command"]: command["description"] for command in telegram.commands}
    assert set(ASKED_FOR) <= set(menu)
    assert all(menu.values())
    assert not {"start", "q", "exit"} & set(menu)  # hidden names are for the fingers
