"""Who may cause a turn is judged when it is worked on, and again after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hermes.middleware import Middleware, Next, Stage
from hermes.platform import Inbound, PlatformLimits
from hermes.records import Ended
from hermes.session import Authority, SessionKey
from hermes.testing import (
    AllowAll,
    Call,
    FakePlatform,
    LetIn,
    MemoryStore,
    Say,
    ScriptedProvider,
    open_gateway,
    open_runtime,
)
from hermes.tools import READ, TOGETHER, ToolCall, tool
from hermes.turn import Turn, TurnResult


@tool(effect=READ, needs=set(), lane=TOGETHER)
async def wait(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return "waited"


SLOW = Say(calls=(Call("wait", '{"seconds":600}'),))


async def interrupted(home: Path, store: MemoryStore) -> None:
    """Leave an interrupted turn of sender 1 and a message of sender 2 that waits behind it."""
    platform, provider = FakePlatform(), ScriptedProvider(SLOW)
    settings = {"busy": "queue", "drain": 0.05}
    async with open_gateway(
        home, platform, provider=provider, store=store, tools=[wait], settings=settings
    ):
        platform.say("go", id="m1", sender="1")
        await provider.asked(1)
        platform.say("me too", id="m2", sender="2")
        while len(await store.pending("inbox")) < 2:
            await asyncio.sleep(0.01)
    assert platform.sent == []


async def test_whoever_was_put_out_meanwhile_does_not_run_after_the_restart(
    tmp_path: Path,
) -> None:
    store = MemoryStore()
    await interrupted(tmp_path, store)
    platform, provider = FakePlatform(), ScriptedProvider("for two")
    guard = LetIn({"1": None})
    async with open_gateway(
        tmp_path,
        platform,
        provider=provider,
        store=store,
        tools=[wait],
        middleware=[AllowAll(), guard],
    ):
        assert set(await platform.said(2)) == {"Who are you?", "for two"}
    assert await store.pending("inbox") == []
    (asked,) = provider.requests  # the message of sender 2, and no going on with the first turn
    assert asked.messages[-1].text == "me too"
    (info,) = await store.sessions()
    ends = [r.body.status for r in await store.records(info.id) if isinstance(r.body, Ended)]
    assert ends == ["cancelled", "ok"]


async def test_a_role_that_was_lowered_meanwhile_is_the_one_that_counts(tmp_path: Path) -> None:
    roles: list[str] = []

    @tool(effect=READ, needs=set(), lane=TOGETHER)
    async def whose(*, call: ToolCall) -> str:
        """Say whose turn it is."""
        roles.append(call.authority.role)
        return "yours"

    ask = Say(calls=(Call("whose", "{}"),))
    store, provider = MemoryStore(), ScriptedProvider(ask, SLOW)
    parts = {"store": store, "tools": [wait, whose]}
    owner, guest = LetIn({"1": "owner"}), LetIn({"1": "guest"})
    async with open_gateway(
        tmp_path,
        platform := FakePlatform(),
        provider=provider,
        middleware=[AllowAll(), owner],
        settings={"drain": 0.05},
        **parts,
    ):
        platform.say("go")
        await provider.asked(2)
    async with open_gateway(
        tmp_path,
        platform := FakePlatform(),
        provider=ScriptedProvider(ask, "done"),
        middleware=[AllowAll(), guest],
        **parts,
    ):
        assert await platform.said(1) == ["done"]
    assert roles == ["owner", "guest"]


class Route(FakePlatform):
    """A platform whose sender ``program`` is a route that the owner configured."""

    def vouch(self, inbound: Inbound) -> Authority | None:
        if inbound.sender.id != "program" or self.revoked:
            return None
        return Authority("fake", person="owner", role="user")


async def test_a_route_of_the_owners_is_let_in_but_gives_no_commands(tmp_path: Path) -> None:
    nobody = LetIn({"program": None, "1": None})
    platform, provider = Route(), ScriptedProvider("noted")
    async with open_gateway(
        tmp_path, platform, provider=provider, middleware=[AllowAll(), nobody]
    ) as gateway:
        platform.say("/reset", sender="program")
        assert await platform.said(1) == ["noted"]
        (info,) = await gateway.runtime.store.sessions()
        assert info.person == "owner"
        platform.say("/reset", sender="1")
        assert (await platform.said(2))[1] == "Who are you?"


async def test_the_answer_goes_where_the_message_says_and_shows_nothing_else(
    tmp_path: Path,
) -> None:
    source = Route(PlatformLimits(edits=True), name="source")
    target = FakePlatform(PlatformLimits(edits=True), name="target")
    hold = asyncio.Event()
    provider = ScriptedProvider(Say("one two three", hold=hold, hold_after=1))
    async with open_gateway(tmp_path, source, target, provider=provider):
        source.say("event", sender="program", answer_to=SessionKey("target", "7"))
        await provider.asked(1)
        hold.set()
        assert await target.said(1) == ["one two three"]
    assert (target.sent[0].key.chat, target.sent[0].reply_to) == ("7", "")
    assert source.sent == []
    assert source.typed == target.typed == []


async def test_a_draft_that_was_shown_before_a_restart_becomes_the_answer(tmp_path: Path) -> None:
    store, platform = MemoryStore(), FakePlatform(PlatformLimits(edits=True))
    hold = asyncio.Event()
    provider = ScriptedProvider(Say("one two three", hold=hold, hold_after=1))
    settings = {"drain": 0.05}
    async with open_gateway(tmp_path, platform, provider=provider, store=store, settings=settings):
        platform.say("count")
        assert await platform.said(1) == ["one"]
    async with open_gateway(
        tmp_path, platform, provider=ScriptedProvider("all at once"), store=store
    ):
        async with asyncio.timeout(5):
            while await store.pending("outbox") or await store.pending("inbox"):
                await asyncio.sleep(0.01)
    assert list(platform.shown.values()) == ["all at once"]


async def test_a_strangers_turn_does_not_go_on_with_the_authority_of_who_comes_next(
    tmp_path: Path,
) -> None:
    class Roles(Middleware):
        stage = Stage.GUARD

        def __init__(self) -> None:
            self.seen: list[tuple[str, str]] = []

        async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
            self.seen.append((turn.input.text, turn.input.authority.role))
            return await call_next(turn)

    store, here = MemoryStore(), SessionKey("x", "1")
    provider, hold = ScriptedProvider(Say("never", hold=asyncio.Event())), []
    async with open_runtime(tmp_path, provider=provider, store=store) as runtime:
        guest = Authority("x", "g", "guest")
        events = runtime.session(here).send("delete it all", authority=guest)
        hold.append(asyncio.ensure_future(anext(events)))
        await provider.asked()
    roles, provider = Roles(), ScriptedProvider("the guest's", "the owner's")
    parts: dict[str, Any] = {"provider": provider, "store": store}
    async with open_runtime(tmp_path, middleware=[AllowAll(), roles], **parts) as runtime:
        async for _ in runtime.session(here).send("hello", authority=Authority("x", role="owner")):
            pass
    assert roles.seen == [("delete it all", "guest"), ("hello", "owner")]
