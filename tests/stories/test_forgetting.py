"""What is forgotten is nowhere: every file of the home is looked through, to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hermes.session import SessionKey
from hermes.testing import Say
from hermes.testing.unpacking import unpacked

CANARY = "Ximena Quetzal"
FORMS = (b"ximena", b"quetzal", rb"\u0058imena")


def holding(home: Path, forms: tuple[bytes, ...] = FORMS) -> list[str]:
    """Name the files of the home that hold any of *forms*, the journal's log and all."""
    return [
        str(path.relative_to(home))
        for path in sorted(home.rglob("*"))
        if path.is_file() and any(form in unpacked(path).lower() for form in forms)
    ]


async def fill(system: Any, turn: Any, asks: Any, owner: Any) -> str:
    """Let it be told, remembered, listed, printed by a command, cut short, titled and logged."""
    (system.place / "people.txt").write_text(f"{CANARY} line\n" * 3000)
    system.model.will(
        asks(
            ("memory", {"action": "add", "target": "user", "content": f"Married to {CANARY}"}),
            ("memory", {"action": "add", "target": "project", "content": "Run make first"}),
            ("todo", {"todos": [{"id": "1", "content": f"Write to {CANARY}"}]}),
            ("terminal", {"command": "cat people.txt"}),
            ("terminal", {"command": f"echo {CANARY} > letter.txt"}),
        ),
        Say(f"I will write to {CANARY}."),
        "Sunny.",
        Say("It is ximena  QUETZAL."),
    )
    async with system.runtime() as runtime:
        key = SessionKey("cli", str(system.place))
        conversation = runtime.session(key, directory=str(system.place))
        mine = owner(yolo=True)
        await turn(conversation.send(f"My wife is {CANARY}", authority=mine))
        await turn(conversation.send("How is the weather?", authority=mine))
        await turn(conversation.send("What is her name?", authority=mine))
        await conversation.rename(f"About {CANARY}")
        runtime.log.warning("something", about=CANARY)
        id = conversation.info.id
    with (system.home / "history").open("a") as history:
        history.write(json.dumps(f"My wife is {CANARY}") + "\n" + json.dumps("weather") + "\n")
    return id


async def test_forget_leaves_no_byte_of_it(system: Any, turn: Any, asks: Any, owner: Any) -> None:
    id = await fill(system, turn, asks, owner)
    held = holding(system.home)
    for part in (
        "journal.db",
        "memories/USER.md",
        "outputs/",
        "logs/hermes.log",
        "history",
        "data/checkpoints",
    ):
        assert any(name.startswith(part) for name in held), f"{part} is among {held}"

    asked = await system.run("memory", "forget", CANARY)
    assert asked.status == 0 and "Nothing was forgotten" in asked.out, asked.errors
    assert holding(system.home) == held, "nobody said yes"

    done = await system.run("memory", "forget", "--yes", CANARY)
    assert done.status == 0, done.errors
    assert "1 memories, turns in 1 conversations" in done.out
    assert holding(system.home) == []
    assert json.loads((system.home / "history").read_text()) == "weather"

    shown = await system.run("sessions", "show", id)
    assert "How is the weather?" in shown.out and "Sunny." in shown.out, "the rest stays"
    assert "Run make first" in (await system.run("memory", "list")).out


async def test_a_deleted_conversation_leaves_no_copy_of_its_files(
    system: Any, turn: Any, asks: Any, owner: Any
) -> None:
    id = await fill(system, turn, asks, owner)
    assert any(name.startswith("data/checkpoints") for name in holding(system.home))
    done = await system.run("sessions", "delete", id, "--yes")
    assert done.status == 0, done.errors
    assert not any(name.startswith("data/checkpoints") for name in holding(system.home))


async def test_it_is_forgotten_in_a_conversation_that_is_open_elsewhere(
    system: Any, turn: Any, asks: Any, owner: Any
) -> None:
    """A gateway holds the conversation in memory while its owner forgets in a shell."""
    system.model.always = Say("Noted.")
    async with system.runtime() as runtime:
        conversation = runtime.session(SessionKey("cli", "x"), directory=str(system.place))
        await turn(conversation.send(f"My wife is {CANARY}", authority=owner()))
        await turn(conversation.send("How is the weather?", authority=owner()))
        done = await system.run("memory", "forget", "--yes", CANARY)
        assert done.status == 0, done.errors
        await turn(conversation.send("And now?", authority=owner()))
        request = system.model.requests[-1].raw.lower()
        assert b"how is the weather?" in request and b"and now?" in request
        assert b"quetzal" not in request
    assert holding(system.home) == []


async def test_a_prompt_that_held_it_is_rendered_anew(system: Any, turn: Any, owner: Any) -> None:
    (system.home / "memories").mkdir()
    (system.home / "memories" / "USER.md").write_text(f"Married to {CANARY}\n§\nLikes tea")
    system.model.always = Say("Hello.")
    async with system.runtime() as runtime:
        conversation = runtime.session(SessionKey("cli", "x"), directory=str(system.place))
        await turn(conversation.send("hi", authority=owner()))
        assert b"quetzal" in system.model.requests[-1].raw.lower()
        await system.run("memory", "forget", "--yes", CANARY)
        await turn(conversation.send("again", authority=owner()))
    request = system.model.requests[-1].raw
    assert b"quetzal" not in request.lower() and b"Likes tea" in request
    assert b'"content":"hi"' in request, "messages that do not mention it stay"
    assert holding(system.home) == []


async def test_what_a_person_wrote_is_named_and_left(system: Any) -> None:
    (system.home / "SOUL.md").write_text(f"You serve {CANARY}.")
    done = await system.run("memory", "forget", "--yes", CANARY)
    assert "Still there, yours to change: SOUL.md" in done.out
    assert "Backups made before this still have it" in done.out
    assert holding(system.home) == ["SOUL.md"]


@pytest.mark.parametrize("empty", ["", " "])
async def test_nothing_is_not_everything(system: Any, empty: str) -> None:
    done = await system.run("memory", "forget", "--yes", empty)
    assert done.status == 2, done


async def test_the_memory_that_is_chosen_forgets_too(system: Any, turn: Any, owner: Any) -> None:
    system.configure(memory="local", **{"memory-local": {"semantic": False}})
    system.model.always = Say("Noted.")
    async with system.runtime() as runtime:
        conversation = runtime.session(SessionKey("cli", "x"), directory=str(system.place))
        await turn(conversation.send(f"My wife is {CANARY}.", authority=owner()))
        await turn(conversation.send("I live in Oslo street.", authority=owner()))
    assert "data/memory-local/passages.db" in holding(system.home)
    done = await system.run("memory", "forget", "--yes", CANARY)
    assert done.status == 0 and "1 memories" in done.out, done.errors
    assert holding(system.home) == []
    system.model.always = Say("In Oslo.")
    await system.run("-z", "Which street do I live in?")
    request = system.model.requests[-1].raw
    assert b"I live in Oslo street." in request, "the rest is recalled, beside MEMORY.md"
