"""A question that waits outlives an orderly end of the gateway, and is for whom it was put (AT-39).

What a kill does to it, `test_kills` shows; that answers are spent once, `test_questions`.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from hermes.gateway import Gateway
from hermes.middleware import Middleware, Next, Stage
from hermes.records import Finished, QuestionPut
from hermes.testing import FakePlatform, LetIn, MemoryStore, ScriptedProvider, open_gateway
from hermes.testing.answers import Call, Say
from hermes.tools import ONCE, TOGETHER, Tool, ToolCall, ToolResult, tool
from hermes.turn import Question
from hermes_plugin_commands.messenger import approve, deny
from hermes_plugin_commands.turns import stop

COMMANDS: dict[str, dict[str, Any]] = {
    "commands": {str(each.name): each for each in (approve, deny, stop)}
}
LATE = "That question is answered or expired."
NOT_YOURS = "That question is not for you."
MINE, ANOTHER, OWNER, GUEST = "1", "2", "3", "4"


class Asks(Middleware):
    """Asks about every call, by the call's bytes."""

    stage = Stage.GUARD

    def __init__(self, seconds: float = 3600.0) -> None:
        self.seconds = seconds

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        text = f"May I act on {call.request.arguments['what']}?"
        choices = ("once", "deny")
        about = Question(text, choices, "approval", call.request.id, call.digest, self.seconds)
        if (await call.ask(about)).denied:
            return ToolResult.error("denied")
        return await call_next(call.granted("asks"))


class World:
    """Two messengers, a journal and a model that outlive the gateway between them."""

    def __init__(self, home: Path) -> None:
        self.home, self.store = home, MemoryStore()
        self.chat, self.other = FakePlatform(), FakePlatform(name="other")
        self.provider = ScriptedProvider()
        self.acts: list[str] = []
        self.middleware: list[Middleware] = [LetIn({OWNER: "owner", GUEST: "guest"}), Asks()]

    def acting(self, *what: str) -> Say:
        return Say(calls=tuple(Call("act", f'{{"what":"{each}"}}') for each in what))

    def gateway(self) -> AbstractAsyncContextManager[Gateway]:
        return open_gateway(
            self.home,
            self.chat,
            self.other,
            provider=self.provider,
            store=self.store,
            tools=[self._act()],
            middleware=self.middleware,
            offers=COMMANDS,
            settings={"drain": 0.2},
        )

    def _act(self) -> Tool:
        @tool(effect=ONCE, needs=set(), lane=TOGETHER)
        async def act(what: str) -> str:
            """Act."""
            self.acts.append(what)
            return f"acted on {what}"

        return act

    def press(self, choice: str, question: str, sender: str = MINE, **fields: Any) -> None:
        self.chat.say(choice, sender=sender, answers=question, **fields)

    async def records(self, kind: type[Any]) -> list[Any]:
        found = [
            record.body
            for info in await self.store.sessions()
            for record in await self.store.records(info.id)
        ]
        return [body for body in found if isinstance(body, kind)]

    @property
    def open_questions(self) -> list[str]:
        return [key for key, entry in self.store.disk.queues["questions"].items() if not entry.end]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def ends(platform: FakePlatform, text: str, seconds: float = 20.0) -> list[str]:
    """Wait until a part shows *text*; give all that was shown."""
    async with asyncio.timeout(seconds):
        while text not in [part.text for part in platform.sent]:
            await asyncio.sleep(0.01)
    return [part.text for part in platform.sent]


@pytest.mark.parametrize("word", ["/approve", "yes", "a press", "a press on the old one"])
@pytest.mark.parametrize("when", ["while it is down", "once it is back"])
async def test_it_is_asked_again_and_the_answer_counts_once(
    world: World, word: str, when: str
) -> None:
    world.provider.will(world.acting("it"), "All done.")
    async with world.gateway():
        world.chat.say("go")
        await world.chat.said(1)
    first = world.chat.sent[0]
    assert world.open_questions == [first.question] and world.acts == []

    def answer() -> None:
        if word.startswith("a press"):
            world.press("once", first.question)
        else:
            world.chat.say(word)

    if when == "while it is down":
        answer()
    async with world.gateway():
        if when == "once it is back":
            await world.chat.said(2)
            if word != "a press on the old one":
                assert world.chat.sent[1].question == first.question
            answer()
        await ends(world.chat, "All done.")
        world.press("once", first.question)
        await ends(world.chat, LATE)
    assert world.acts == ["it"]
    asked = [part.text for part in world.chat.sent if part.question]
    assert asked == [first.text] * 2
    assert len(await world.records(QuestionPut)) == 1
    assert world.open_questions == []


async def test_an_answer_of_another_surface_while_it_is_down_is_used_without_asking_again(
    world: World,
) -> None:
    world.provider.will(world.acting("it"), "All done.")
    async with world.gateway():
        world.chat.say("go")
        await world.chat.said(1)
    question = world.chat.sent[0].question
    async with open_gateway(world.home, FakePlatform(name="none"), store=world.store) as elsewhere:
        assert await elsewhere.runtime.answer(question, "once", by="phone")
        assert not await elsewhere.runtime.answer(question, "deny", by="tablet")
    async with world.gateway():
        await ends(world.chat, "All done.")
    assert world.acts == ["it"]
    assert [part.question for part in world.chat.sent] == [question, ""]


async def test_its_time_goes_on_while_the_gateway_is_down_and_silence_is_no(world: World) -> None:
    world.middleware[1] = Asks(seconds=1.0)
    world.provider.will(world.acting("it"), "I could not.")
    async with world.gateway():
        world.chat.say("go")
        await world.chat.said(1)
    await asyncio.sleep(1.0)
    async with world.gateway() as gateway:
        await ends(world.chat, "I could not.")
        assert not await gateway.runtime.answer(world.chat.sent[0].question, "once")
        world.press("once", world.chat.sent[0].question)
        await ends(world.chat, LATE)
    assert world.acts == []
    assert len([part for part in world.chat.sent if part.question]) == 1


async def test_calls_that_ran_before_the_end_do_not_run_again_and_those_that_wait_do(
    world: World,
) -> None:
    world.provider.will(world.acting("a", "b", "c"), "All done.")
    async with world.gateway():
        world.chat.say("go")
        await world.chat.said(3)
        by_what = {part.text.split()[4][0]: part.question for part in world.chat.sent}
        world.press("once", by_what["b"])
        async with asyncio.timeout(10):
            while world.acts != ["b"]:
                await asyncio.sleep(0.01)
    async with world.gateway():
        await world.chat.said(5)
        world.press("deny", by_what["c"])
        world.press("once", by_what["a"])
        await ends(world.chat, "All done.")
    assert world.acts == ["b", "a"]
    results = {each.id: each.text for each in await world.records(Finished)}
    assert sorted(results.values()) == ["acted on a", "acted on b", "denied"]


async def test_three_on_two_surfaces_out_of_order_late_twice_by_strangers_and_over_a_restart(
    world: World,
) -> None:
    """Each answer touches only its own question, whatever is pressed by whom."""
    world.provider.will(world.acting("a"), world.acting("b"), world.acting("c"))
    group: dict[str, Any] = {"chat": "team", "group": True, "direct": False}
    async with world.gateway():
        world.chat.say("one", **group)
        await world.chat.said(1)
        world.other.say("two")
        await world.other.said(1)
        world.chat.say("three", chat="mine")
        await world.chat.said(2)
        a, c = (part.question for part in world.chat.sent)
        b = world.other.sent[0].question
        for stranger in (ANOTHER, GUEST):
            world.press("once", a, stranger, **group)
        world.chat.say("/approve", sender=ANOTHER, **group)
        world.chat.say("/approve", sender=GUEST, **group)
        world.press("once", c, ANOTHER, chat="elsewhere")  # the right id in the wrong chat
        await world.chat.said(7)
        said = [part.text for part in world.chat.sent[2:]]
        assert sorted(said) == sorted([NOT_YOURS] * 3 + [LATE, "/approve is for users"])
        assert set(world.open_questions) == {a, b, c}
    assert world.acts == []
    world.provider.will("Done c.", "Done b.", "Done a.")
    asked_before = len(world.chat.sent)
    async with world.gateway():
        await world.chat.said(asked_before + 2)
        world.press("once", c, chat="mine")
        await ends(world.chat, "Done c.")
        assert world.acts == ["c"]
        world.other.say("deny", answers=b)
        await ends(world.other, "Done b.")
        assert world.acts == ["c"]
        world.press("once", c, chat="mine")  # twice
        world.other.say("once", answers=b)  # late, and another choice
        await ends(world.chat, LATE)
        await ends(world.other, LATE)
        assert world.open_questions == [a]
        world.press("once", a, OWNER, **group)  # an owner may answer for anybody
        await ends(world.chat, "Done a.")
    assert world.acts == ["c", "a"]
    assert world.open_questions == []


async def test_what_a_guest_causes_is_not_the_guests_to_allow(world: World) -> None:
    world.provider.will(world.acting("a"), world.acting("b"), "Not allowed.", "Allowed after all.")
    group: dict[str, Any] = {"chat": "team", "group": True, "direct": False}
    async with world.gateway():
        world.chat.say("go", sender=GUEST, **group)
        await world.chat.said(1)
        question = world.chat.sent[0].question
        world.press("once", question, GUEST, **group)
        assert (await world.chat.said(2))[1] == NOT_YOURS
        # Alone with Hermes nobody could allow it: the answer is no at once.
        world.chat.say("go", sender=GUEST, chat="private")
        await ends(world.chat, "Not allowed.")
        world.press("once", question, OWNER, **group)
        await ends(world.chat, "Allowed after all.")
    assert world.acts == ["a"]


async def test_a_stop_after_the_restart_ends_the_question_too(world: World) -> None:
    world.provider.will(world.acting("it"))
    async with world.gateway():
        world.chat.say("go")
        await world.chat.said(1)
    async with world.gateway():
        await world.chat.said(2)
        world.chat.say("/stop")
        await world.chat.said(3)
        async with asyncio.timeout(10):
            while world.open_questions:
                await asyncio.sleep(0.01)
        world.press("once", world.chat.sent[0].question)
        await ends(world.chat, LATE)
    assert world.acts == [] and world.open_questions == []
