"""Questions about calls: each answer touches its own call, once, from whatever surface (AT-39).

That they outlive the process, and that an answer given before it died counts, `test_kills` shows.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hermes.events import Answered, Asked, ToolFinished
from hermes.session import SessionKey

KEY = SessionKey("cli", "here")


def write(name: str) -> tuple[str, dict[str, Any]]:
    return "write_file", {"path": name, "content": name}


async def gather(events: Any, heard: list[Any], asked: asyncio.Queue[Asked]) -> None:
    async for event in events:
        heard.append(event)
        if isinstance(event, Asked):
            asked.put_nowait(event)


async def pending(asked: asyncio.Queue[Asked], number: int) -> dict[str, Asked]:
    """Wait for that many questions, and give them by the file that each is about."""
    async with asyncio.timeout(60):
        found = [await asked.get() for _ in range(number)]
    return {question.text.split("path: ")[1].split("\n")[0]: question for question in found}


async def test_three_are_answered_out_of_order_from_another_surface_and_each_once(
    system: Any, asks: Any, owner: Any
) -> None:
    system.model.will(asks(write("a.txt"), write("b.txt"), write("c.txt")), "Done.")
    heard: list[Any] = []
    asked: asyncio.Queue[Asked] = asyncio.Queue()
    async with system.runtime() as runtime, system.runtime("api") as elsewhere:
        conversation = runtime.session(KEY, directory=str(system.place))
        events = conversation.send("go", authority=owner(can_ask=True))
        turn = asyncio.create_task(gather(events, heard, asked))
        by_file = await pending(asked, 3)
        assert len({question.id for question in by_file.values()}) == 3
        assert not await elsewhere.answer("nonsense", "once")
        assert await elsewhere.answer(by_file["c.txt"].id, "once", by="phone")
        assert await runtime.answer(by_file["a.txt"].id, "deny", by="terminal")
        # Too late: in this process, in the other, and with another answer.
        for late in (runtime, elsewhere):
            assert not await late.answer(by_file["c.txt"].id, "deny")
            assert not await late.answer(by_file["a.txt"].id, "once")
        assert await elsewhere.answer(by_file["b.txt"].id, "once", by="phone")
        async with asyncio.timeout(60):
            await turn
    assert sorted(entry.name for entry in system.place.iterdir()) == ["b.txt", "c.txt"]
    said = {event.id: (event.choice, event.by) for event in heard if isinstance(event, Answered)}
    assert said == {
        by_file["a.txt"].id: ("deny", "terminal"),
        by_file["b.txt"].id: ("once", "phone"),
        by_file["c.txt"].id: ("once", "phone"),
    }
    assert sum(isinstance(event, ToolFinished) for event in heard) == 3


async def test_silence_is_no_and_the_turn_ends_as_it_should(
    system: Any, asks: Any, owner: Any, turn: Any
) -> None:
    system.configure(approvals={"timeout": 0.5})
    system.model.will(asks(write("a.txt")), "I could not.")
    async with system.runtime() as runtime:
        conversation = runtime.session(KEY, directory=str(system.place))
        events = await turn(conversation.send("go", authority=owner(can_ask=True)))
        (question,) = events.of(Asked)
        assert not await runtime.answer(question.id, "once")  # expired
    assert (events.end.status, events.end.reply) == ("ok", "I could not.")
    assert not list(system.place.iterdir())


async def test_what_was_allowed_is_for_one_environment(
    system: Any, asks: Any, owner: Any, turn: Any
) -> None:
    """The same bytes with another environment are another command."""
    system.place.joinpath("run.sh").write_text("echo ran >> log\n")
    call = ("terminal", {"command": "bash run.sh"})

    async def say(authority: Any, choice: str, *calls: Any) -> None:
        system.model.will(asks(*calls), "ok")
        async for event in conversation.send("go", authority=authority):
            if isinstance(event, Asked):
                assert await runtime.answer(event.id, choice)

    def ran() -> int:
        log = system.place / "log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    async with system.runtime() as runtime:
        conversation = runtime.session(KEY, directory=str(system.place))
        await say(owner(can_ask=True), "always", call)
        await say(owner(), "", call)
        assert ran() == 2
        await say(owner(yolo=True), "", ("terminal", {"command": "export MODE=other"}))
        await say(owner(), "", call)
        assert ran() == 2
        await say(owner(yolo=True), "", ("terminal", {"command": "unset MODE"}))
        await say(owner(), "", call)
        assert ran() == 3
