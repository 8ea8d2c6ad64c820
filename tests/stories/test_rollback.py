"""A person undoes what the agent did to files: real tools, a real journal, a scripted model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hermes import SessionKey
from hermes.testing.commands import FakeCommandContext, give


class Work:
    """A conversation in the workspace."""

    def __init__(self, system: Any, runtime: Any, asks: Any, owner: Any, turn: Any) -> None:
        self.system, self.runtime, self.turn = system, runtime, turn
        self.asks, self.authority = asks, owner(yolo=True)
        self.conversation = runtime.session(SessionKey("cli", "x"), directory=str(system.place))

    async def does(self, said: str, *calls: tuple[str, dict[str, Any]]) -> None:
        self.system.model.will(*((self.asks(*calls),) if calls else ()), "Done.")
        heard = await self.turn(self.conversation.send(said, authority=self.authority))
        assert heard.end.status == "ok", heard.end.reply

    async def says(self, *words: str) -> str:
        command = self.runtime.host.create("commands", "rollback")
        context = FakeCommandContext(host=self.runtime.host, session=await self.conversation.load())
        return (await give(command, *words, context=context)).text

    def file(self, name: str) -> str | None:
        path = self.system.place / name
        return path.read_text() if path.exists() else None


@pytest.fixture
async def work(system: Any, asks: Any, owner: Any, turn: Any) -> AsyncIterator[Work]:
    (system.place / "notes.md").write_text("mine\n")
    async with system.runtime() as runtime:
        yield Work(system, runtime, asks, owner, turn)


async def test_turns_are_listed_shown_and_undone(work: Work) -> None:
    assert "no files" in await work.says()
    await work.does(
        "Tidy my notes.",
        ("write_file", {"path": "notes.md", "content": "tidied\n"}),
        ("terminal", {"command": "mkdir -p src && printf 'x = 1\\n' > src/main.py"}),
    )
    await work.does("Only look.", ("terminal", {"command": "cat notes.md"}))
    await work.does("Now delete it.", ("terminal", {"command": "rm notes.md"}))
    listed = (await work.says()).splitlines()
    assert listed[0] == "1. just now: Now delete it."
    assert listed[1].strip() == "notes.md"
    assert listed[2] == "2. just now: Tidy my notes."
    assert {"notes.md", "main.py"} == set(listed[3].strip().split(", "))
    shown = await work.says("2", "--diff")
    assert "+mine" in shown
    assert work.file("notes.md") is None
    said = await work.says("2")
    assert work.file("notes.md") == "mine\n"
    assert work.file("src/main.py") is None
    assert "brought back" in said
    assert "removed" in said


async def test_the_model_is_told_and_undoing_can_be_undone(work: Work) -> None:
    await work.does("Write.", ("write_file", {"path": "notes.md", "content": "the agent's\n"}))
    await work.says("1")
    assert work.file("notes.md") == "mine\n"
    await work.does("What now?")
    request = json.dumps(work.system.model.requests[-1].json)
    assert "rolled back" in request
    assert str(work.system.place / "notes.md") in request
    await work.does("And now?")
    assert json.dumps(work.system.model.requests[-1].json).count("rolled back") == 1
    await work.says("1")
    assert work.file("notes.md") == "the agent's\n"


async def test_what_a_person_changed_since_stays(work: Work) -> None:
    await work.does("Write.", ("write_file", {"path": "notes.md", "content": "the agent's\n"}))
    (work.system.place / "notes.md").write_text("mine again\n")
    said = await work.says("1")
    assert "changed since" in said
    assert work.file("notes.md") == "mine again\n"
    await work.says("1", "--all")
    assert work.file("notes.md") == "mine\n"


async def test_a_call_that_fails_is_undone_too(work: Work) -> None:
    await work.does("Break it.", ("terminal", {"command": "echo half > notes.md; exit 3"}))
    await work.says("1", "notes.md")
    assert work.file("notes.md") == "mine\n"


async def test_the_home_s_checkpoints_are_listed_pruned_and_cleared(
    work: Work, system: Any
) -> None:
    await work.does("Write.", ("write_file", {"path": "notes.md", "content": "x\n"}))
    shown = await system.run("checkpoints")
    assert "1 changes of files" in shown.out
    assert str(system.place) in shown.out
    pruned = await system.run("checkpoints", "prune", "--retention-days", "0")
    assert "dropped 1 changes" in pruned.out
    refused = await system.run("checkpoints", "clear")
    assert refused.status == 1
    assert refused.lines[-1] == "hermes: nothing was cleared (-f does not ask)"
    assert (await system.run("checkpoints", "clear", "-f")).out == "cleared\n"
    assert "0 changes of files" in (await system.run("checkpoints")).out


async def test_what_is_not_remembered_is_said(
    system: Any, asks: Any, owner: Any, turn: Any
) -> None:
    system.configure(checkpoints={"max_files": 3})
    for number in range(4):
        (system.place / str(number)).write_text("")
    async with system.runtime() as runtime:
        work = Work(system, runtime, asks, owner, turn)
        twice = ("terminal", {"command": "echo x > new"})
        await work.does("Write it.", twice, twice, ("write_file", {"path": "0", "content": "x"}))
        listed = (await work.says()).splitlines()
        assert listed[0] == "1. just now: Write it."
        assert "has more than 3 files" in listed[2]
        said = await work.says("1")
        assert "restored" in said
        assert said.count("not all was remembered") == 1
        assert work.file("0") == ""
        assert work.file("new") == "x\n"


async def test_switched_off_it_does_nothing(system: Any, asks: Any, owner: Any, turn: Any) -> None:
    system.configure(checkpoints={"enabled": False})
    async with system.runtime() as runtime:
        work = Work(system, runtime, asks, owner, turn)
        await work.does("Write.", ("write_file", {"path": "new", "content": "x\n"}))
        assert "no files" in await work.says()
