"""The gateway with a fake messenger: each message once, each reply kept, order per chat."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hermes.errors import Failure, StoreError
from hermes.gateway import AlreadyRunning, Gateway
from hermes.identity import now
from hermes.messages import Image
from hermes.middleware import Middleware, Next, Stage
from hermes.platform import Admission, Inbound, PlatformLimits
from hermes.records import Steered, UserSaid
from hermes.runtime import Runtime
from hermes.service import Service
from hermes.store import Settle
from hermes.testing import (
    FakePlatform,
    LetIn,
    MemoryStore,
    ScriptedProvider,
    make_context,
    make_key,
    open_gateway,
)
from hermes.testing.answers import Call, Fail, Say
from hermes.testing.runtime import AllowAll, open_runtime
from hermes.tools import READ, TOGETHER, ToolCall, ToolResult, Toolset, tool
from hermes.turn import Question
from hermes_plugin_commands.messenger import approve, busy, deny, platforms, queue, steer
from hermes_plugin_commands.places import reset
from hermes_plugin_commands.turns import retry, stop
from hermes_plugin_failure_tracking.tracking import BLOCKED, FailureTracking

COMMANDS = {
    "commands": {
        each.name: each for each in (approve, deny, queue, steer, busy, platforms, reset, stop)
    }
}


@tool(effect=READ, needs=set(), lane=TOGETHER)
async def wait(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return "waited"


@contextlib.asynccontextmanager
async def serving(
    home: Path,
    platform: FakePlatform,
    provider: ScriptedProvider,
    *,
    middleware: list[Middleware] | None = None,
    store: MemoryStore | None = None,
    offers: dict[str, dict[str, Any]] | None = None,
    **settings: Any,
) -> AsyncIterator[tuple[Gateway, Runtime]]:
    links = [AllowAll(), LetIn({"stranger": None})] if middleware is None else middleware
    async with open_gateway(
        home,
        platform,
        provider=provider,
        store=store,
        tools=[wait],
        middleware=links,
        settings=settings,
        offers=offers,
    ) as gateway:
        yield gateway, gateway.runtime


async def said(platform: FakePlatform, count: int, seconds: float = 5.0) -> list[str]:
    """Wait until *count* parts were taken; give their texts."""
    return await platform.said(count, seconds)


async def test_a_message_is_answered_in_its_chat(tmp_path: Path) -> None:
    platform = FakePlatform()
    async with serving(tmp_path, platform, ScriptedProvider("Hello!", "You again.")) as (
        _,
        runtime,
    ):
        platform.say("Hi", chat="7")
        assert await said(platform, 1) == ["Hello!"]
        platform.say("Hi again", chat="7")
        assert await said(platform, 2) == ["Hello!", "You again."]
        (info,) = await runtime.store.sessions()
        assert (info.surface, info.person) == ("fake", "p1")
        assert await runtime.store.pending("inbox") == []
        assert await runtime.store.pending("outbox") == []
    assert platform.sent[0].key.chat == "7"


async def test_a_repeat_is_not_answered_again_whenever_it_comes(tmp_path: Path) -> None:
    store, provider = MemoryStore(), ScriptedProvider("once", "other")
    platform = FakePlatform()
    async with serving(tmp_path, platform, provider, store=store):
        platform.say("Hi", id="m1")
        platform.say("Hi", id="m1")
        await said(platform, 1)
        platform.say("Hi", id="m1")
        platform.say("Hi", id="m2")
        assert await said(platform, 2) == ["once", "other"]
    again = FakePlatform()
    again._updates, again.sent = platform._updates, []
    async with serving(tmp_path, again, provider, store=store):  # the cursor was kept as well
        again.say("Hi", id="m1")
        await asyncio.sleep(0.1)
    assert again.sent == []


async def test_strangers_are_refused_and_never_reach_a_model(tmp_path: Path) -> None:
    platform, provider = FakePlatform(), ScriptedProvider()
    async with serving(tmp_path, platform, provider) as (_, runtime):
        platform.say("Hi", sender="stranger")
        assert await said(platform, 1) == ["Who are you?"]
        assert await runtime.store.sessions() == []
    assert provider.requests == []


async def test_without_a_plugin_that_says_who_may_nobody_may(tmp_path: Path) -> None:
    platform, provider = FakePlatform(), ScriptedProvider("no")
    async with serving(tmp_path, platform, provider, middleware=[AllowAll()]):
        platform.say("Hi")
        assert "Nobody can talk to this bot yet" in (await said(platform, 1))[0]
    assert provider.requests == []


async def test_a_broken_guard_refuses_and_is_named(tmp_path: Path) -> None:
    class Broken(Middleware):
        async def receive(self, inbound: Inbound, call_next: Any) -> Admission:
            raise KeyError("oops")

    platform, provider = FakePlatform(), ScriptedProvider("no")
    async with serving(tmp_path, platform, provider, middleware=[LetIn(), Broken()]):
        platform.say("Hi")
        assert "the plugin test failed" in (await said(platform, 1))[0]
    assert provider.requests == []


async def test_a_failed_turn_is_said_in_the_chat(tmp_path: Path) -> None:
    platform = FakePlatform()
    provider = ScriptedProvider(Fail("bad_request", "no such model"), "better")
    async with serving(tmp_path, platform, provider):
        platform.say("Hi")
        assert await said(platform, 1) == ["⚠️ no such model"]
        platform.say("Again")
        assert (await said(platform, 2))[1] == "better"


async def test_a_new_message_interrupts_waits_or_steers_as_set(tmp_path: Path) -> None:
    slow = Say(calls=(Call("wait", '{"seconds":600}'),))
    platform = FakePlatform()
    provider = ScriptedProvider(slow, "the second")
    async with serving(tmp_path, platform, provider, busy="interrupt"):
        platform.say("one")
        await provider.asked(1)
        platform.say("two")
        assert await said(platform, 1) == ["the second"]

    short = Say(calls=(Call("wait", '{"seconds":0.2}'),))
    platform, provider = FakePlatform(), ScriptedProvider(short, "first", "second")
    async with serving(tmp_path, platform, provider, busy="queue"):
        platform.say("one")
        await provider.asked(1)
        platform.say("two")
        assert await said(platform, 2) == ["first", "second"]

    platform, provider = FakePlatform(), ScriptedProvider(short, "both")
    async with serving(tmp_path, platform, provider, busy="steer") as (_, runtime):
        platform.say("one")
        await provider.asked(1)
        platform.say("two")
        assert await said(platform, 1) == ["both"]
        (info,) = await runtime.store.sessions()
        bodies = [record.body for record in await runtime.store.records(info.id)]
        assert [b.text for b in bodies if isinstance(b, (UserSaid, Steered))] == ["one", "two"]
        assert await runtime.store.pending("inbox") == []


async def test_replies_go_out_in_order_whatever_fails_meanwhile(tmp_path: Path) -> None:
    failures = [Failure("rate_limit", "slow down", retry_after=0.05), None, Failure("timeout", "x")]
    platform = FakePlatform(failures=failures)
    answers = [f"answer {n}" for n in range(5)]
    async with serving(tmp_path, platform, ScriptedProvider(*answers), busy="queue"):
        for n in range(5):
            platform.say(f"question {n}")
        assert await said(platform, 5, 15) == answers


async def test_a_reply_nobody_takes_is_given_up_and_the_next_goes_out(
    tmp_path: Path,
) -> None:
    platform = FakePlatform(failures=[Failure("bad_request", "chat not found")])
    async with serving(tmp_path, platform, ScriptedProvider("a", "b"), busy="queue") as (
        _,
        runtime,
    ):
        platform.say("one")
        platform.say("two")
        assert await said(platform, 1) == ["b"]
        assert await runtime.store.pending("outbox") == []


async def test_a_second_gateway_says_so_and_is_no_failure(tmp_path: Path) -> None:
    store, platform = MemoryStore(), FakePlatform()
    async with serving(tmp_path, platform, ScriptedProvider(), store=store) as (_, runtime):
        while await store.lease("gateway") is None:
            await asyncio.sleep(0.01)
        with pytest.raises(AlreadyRunning, match="a gateway runs already") as raised:
            await Gateway(runtime).run()
        assert raised.value.exit_code == 0


async def test_the_answer_grows_where_the_platform_can_edit(tmp_path: Path) -> None:
    hold = asyncio.Event()
    platform = FakePlatform(PlatformLimits(edits=True))
    provider = ScriptedProvider(Say("one two three", hold=hold, hold_after=1))
    async with serving(tmp_path, platform, provider):
        platform.say("count")
        assert await said(platform, 1) == ["one"]
        hold.set()
        assert (await said(platform, 2))[-1] == "one two three"
    assert list(platform.shown.values()) == ["one two three"]  # one message, edited


class AsksOnce(Middleware):
    stage = Stage.GUARD

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        question = Question("Wait?", ("once", "deny"), "approval", call.request.id, call.digest)
        if (await call.ask(question)).denied:
            return ToolResult.error("denied")
        return await call_next(call.granted("asks"))


async def test_a_question_is_put_with_buttons_and_answered_by_word_or_press(tmp_path: Path) -> None:
    short = Say(calls=(Call("wait", '{"seconds":0}'),))
    platform, provider = FakePlatform(), ScriptedProvider(short, "done", short, "done again")
    async with serving(
        tmp_path, platform, provider, middleware=[LetIn(), AsksOnce()], offers=COMMANDS
    ):
        platform.say("go")
        await said(platform, 1)
        question = platform.sent[0]
        assert question.choices == ("once", "deny")
        assert "/approve" in question.text
        platform.say("/approve always")
        assert (await said(platform, 2))[1] == "Answer with one of: once, deny"
        platform.say("/approve", sender="2")
        assert (await said(platform, 3))[2] == "That question is not for you."
        platform.say("/approve")
        assert set((await said(platform, 5))[3:]) == {"Allowed: once.", "done"}
        platform.say("go on")
        await said(platform, 6)
        pressed = platform.say("deny")
        platform._updates[-1] = msgspec.structs.replace(pressed, answers=platform.sent[5].question)
        assert (await said(platform, 7))[6] == "done again"
        platform.say("/approve")
        assert (await said(platform, 8))[7] == "Nothing waits for an answer."
    outputs = provider.requests[-1].messages[-1].parts
    assert "denied" in outputs[0].text  # type: ignore[union-attr]


async def test_an_unknown_command_is_a_hint_not_a_model_call(tmp_path: Path) -> None:
    platform, provider = FakePlatform(), ScriptedProvider()
    async with serving(tmp_path, platform, provider):
        platform.say("/frobnicate now")
        assert "there is no command /frobnicate" in (await said(platform, 1))[0]
    assert provider.requests == []


async def test_a_platform_that_dies_is_started_again_and_one_without_a_key_is_not(
    tmp_path: Path,
) -> None:
    class Dies(FakePlatform):
        runs = 0

        async def run(self, inbox: Any) -> None:
            self.runs += 1
            if self.runs == 1:
                raise ConnectionError("gone")
            await super().run(inbox)

    platform = Dies()
    async with serving(tmp_path, platform, ScriptedProvider("here")) as (gateway, _):
        platform.say("Hi")
        assert await said(platform, 1) == ["here"]
        assert gateway.status()["fake"]["restarts"] == 1
        platform.revoke()
        async with asyncio.timeout(5):
            while gateway.status()["fake"]["state"] != "stopped":
                await asyncio.sleep(0.01)
        assert "Unauthorized" in gateway.status()["fake"]["error"]


async def test_a_turn_under_way_when_the_gateway_stops_ends_first(tmp_path: Path) -> None:
    short = Say(calls=(Call("wait", '{"seconds":0.3}'),))
    platform, provider = FakePlatform(), ScriptedProvider(short, "finished")
    async with serving(tmp_path, platform, provider):
        platform.say("go")
        await provider.asked(1)
    assert [part.text for part in platform.sent] == ["finished"]


async def test_what_was_left_is_taken_up_at_the_next_start(tmp_path: Path) -> None:
    store = MemoryStore()
    slow = Say(calls=(Call("wait", '{"seconds":600}'),))
    platform, provider = FakePlatform(), ScriptedProvider(slow, "after the restart")
    async with serving(tmp_path, platform, provider, store=store, drain=0.05):
        platform.say("go")
        await provider.asked(1)
    assert platform.sent == []
    assert len(await store.pending("inbox")) == 1
    again = FakePlatform()
    quick = ScriptedProvider("after the restart")
    async with serving(tmp_path, again, quick, store=store):
        assert await said(again, 1, 10) == ["after the restart"]
    assert await store.pending("inbox") == []


async def test_a_guard_may_begin_a_new_conversation_or_name_a_shared_one(tmp_path: Path) -> None:
    class Decides(LetIn):
        async def receive(self, inbound: Inbound, call_next: Next[Inbound, Admission]) -> Admission:
            if inbound.text == "tomorrow":
                inbound = msgspec.structs.replace(inbound, fresh=True, notice="A new day.")
            if inbound.key.chat == "phone":
                inbound = msgspec.structs.replace(inbound, bound=make_key("shared"))
            return await super().receive(inbound, call_next)

    platform, provider = FakePlatform(), ScriptedProvider("a", "b", "c", "d")
    async with serving(
        tmp_path, platform, provider, middleware=[AllowAll(), Decides()], busy="queue"
    ) as (_, runtime):
        platform.say("today")
        await said(platform, 1)
        platform.say("tomorrow")
        assert set((await said(platform, 3))[1:]) == {"A new day.", "b"}
        assert [m.text for m in provider.requests[-1].messages] == ["tomorrow"]
        platform.say("from the phone", chat="phone")
        assert (await said(platform, 4))[3] == "c"
        assert platform.sent[3].key.chat == "phone"
        assert await runtime.store.bound(make_key("shared"))


async def test_a_model_id_that_is_always_refused_costs_nothing_after_three_times(
    tmp_path: Path,
) -> None:
    """The failure storm: 91 % of a core for hours in the system before us (architecture §6.1)."""
    opened: list[str] = []

    class Connected(Toolset):
        async def open(self) -> None:
            opened.append("server started")

        async def tools(self) -> tuple[Any, ...]:
            return (wait,)

    def refuses(request: Any) -> Any:
        if "well" in request.spec.messages[-1].text:
            return "Fine."
        return Fail("bad_request", "no such model: x")

    platform, provider = FakePlatform(), ScriptedProvider(*[refuses] * 200)
    links = [AllowAll(), LetIn(), FailureTracking(make_context(home=tmp_path))]
    async with serving(
        tmp_path,
        platform,
        provider,
        middleware=links,
        busy="queue",
        offers={"tools": {"server": Connected()}, **COMMANDS},
    ):
        for n in range(100):
            platform.say(f"message {n}")
        sent = await said(platform, 100, 30)
        assert sent[:3] == ["⚠️ no such model: x"] * 3
        assert set(sent[3:]) == {BLOCKED.format(count=3)}
        assert len(provider.requests) == 3
        assert opened == ["server started"]
        platform.say("all is well", chat="other")
        assert (await said(platform, 101))[100] == "Fine."
        platform.say("/reset")
        await said(platform, 102)
        platform.say("is it well now?")
        assert (await said(platform, 103))[102] == "Fine."
        assert opened == ["server started"]


async def test_commands_of_a_chat_queue_steer_stop_and_tell(tmp_path: Path) -> None:
    slow = Say(calls=(Call("wait", '{"seconds":600}'),))
    short = Say(calls=(Call("wait", '{"seconds":0.2}'),))
    platform = FakePlatform()
    provider = ScriptedProvider(slow, short, "steered", "queued")
    async with serving(tmp_path, platform, provider, offers=COMMANDS) as (_, runtime):
        platform.say("go")
        await provider.asked(1)
        platform.say("/stop")
        assert "stop" in (await said(platform, 1))[0].lower()
        platform.say("go again")
        await provider.asked(2)
        platform.say("/queue and then this")
        platform.say("/steer mind this")
        assert (await said(platform, 3))[1:] == ["steered", "queued"]
        assert provider.requests[2].messages[-1].text == "mind this"
        assert provider.requests[3].messages[-1].text == "and then this"
        platform.say("/busy queue")
        assert "waits" in (await said(platform, 4))[3]
        platform.say("/platforms")
        assert "running" in (await said(platform, 5))[4]
        assert await runtime.store.pending("inbox") == []


async def test_a_service_gets_the_runtime_and_one_that_lacks_a_setting_says_so(
    tmp_path: Path,
) -> None:
    served: list[Runtime] = []

    class Works(Service):
        async def run(self, runtime: Runtime) -> None:
            served.append(runtime)
            await asyncio.Event().wait()

    class Lacks(Works):
        def missing(self) -> str:
            return "it needs a key"

    async with open_runtime(
        tmp_path,
        provider=ScriptedProvider(),
        offers={"services": {"works": Works(), "lacks": Lacks()}},
        surface="gateway",
    ) as runtime:
        gateway = Gateway(runtime)
        task = asyncio.ensure_future(gateway.run())
        await gateway.ready.wait()
        async with asyncio.timeout(5):
            while not served:
                await asyncio.sleep(0.01)
        states = {name: (part["state"], part["error"]) for name, part in gateway.status().items()}
        gateway.stop()
        await task
    assert served == [runtime]
    assert states == {
        "service works": ("running", ""),
        "service lacks": ("not configured", "it needs a key"),
    }


async def test_a_retry_that_was_cut_goes_on_and_keeps_its_picture(tmp_path: Path) -> None:
    store, hold = MemoryStore(), asyncio.Event()
    commands = {"commands": {"retry": retry}}
    parts: dict[str, Any] = {"store": store, "offers": commands, "settings": {"drain": 0.05}}
    platform = FakePlatform()
    first = ScriptedProvider("A cat.", Say("never", hold=hold))
    async with open_gateway(tmp_path, platform, provider=first, **parts):
        platform.say("What is it?", images=(Image("image/png", "aGk="),))
        await platform.said(1)
        platform.say("/retry")
        while len(first.requests) < 2:
            await asyncio.sleep(0.005)
    second = ScriptedProvider("A dog.")
    async with open_gateway(tmp_path, platform, provider=second, **parts):
        assert await platform.said(2) == ["A cat.", "A dog."]
    (request,) = second.requests
    assert [message.text for message in request.messages] == ["What is it?"]
    assert Image("image/png", "aGk=") in request.messages[0].parts
    assert not await store.pending("inbox")


class FullDisk(MemoryStore):
    """A journal that takes nothing that ends a message, while the disk is full."""

    full = False

    async def commit(self, changes: Sequence[Any]) -> None:
        if self.full and any(isinstance(each, Settle) and each.end for each in changes):
            raise StoreError("the disk is full")
        await super().commit(changes)


async def test_what_the_journal_could_not_end_is_taken_up_without_a_restart(
    tmp_path: Path,
) -> None:
    store, platform = FullDisk(), FakePlatform()
    provider = ScriptedProvider("lost", "kept")
    async with open_gateway(
        tmp_path, platform, provider=provider, store=store, offers=COMMANDS
    ) as gateway:
        store.full = True
        platform.say("Hello", chat="1")
        platform.say("/busy", chat="2")
        await provider.asked()
        await gateway.runtime.idle()
        await asyncio.sleep(0.05)
        assert platform.sent == []
        store.full = False
        await gateway.intake.recover(before=now())
        assert {text.partition(":")[0] for text in await platform.said(2)} == {"kept", "interrupt"}
        await gateway.intake.recover(before=now())
    assert len(platform.sent) == 2
    assert not await store.pending("inbox")


@pytest.mark.parametrize("mode", ["steer", "interrupt"])
async def test_in_a_shared_conversation_nobody_speaks_into_somebody_elses_turn(
    mode: str, tmp_path: Path
) -> None:
    platform = FakePlatform()
    waits = Say(calls=(Call("wait", '{"seconds":0.3}'),))
    provider = ScriptedProvider(waits, "for the owner", "for the guest")
    parts: dict[str, Any] = {"provider": provider, "tools": [wait], "settings": {"busy": mode}}
    middleware = [AllowAll(), LetIn({"1": "owner", "2": "guest"})]
    async with open_gateway(tmp_path, platform, middleware=middleware, **parts):
        platform.say("What do we have?", sender="1", group=True)
        await provider.asked()
        platform.say("And delete it all", sender="2", group=True)
        assert await platform.said(2) == ["for the owner", "for the guest"]
    said = [m.text for m in provider.requests[1].messages if m.role == "user"]
    assert said == ["[Person 1] What do we have?"]
