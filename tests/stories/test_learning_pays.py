"""What learning is for: the second time is cheaper, and nothing useless is kept (pain point 38).

A model that solves each kind of task the long way until there is a skill for it, looks back, and is
sometimes wrong: it writes copies of what there is, and skills that do not work.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from hermes.session import SessionKey
from hermes.testing import Exchange, Say
from hermes_plugin_nudges.ledger import Ledger
from hermes_plugin_skills.library import Library
from hermes_plugin_skills.workshop import Workshop

LONG = 8
"""Detours of a task that is done for the first time."""
WORDS = (
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty"),
    *("knoll", "ledge", "marsh", "north", "ocean", "plain", "quarry", "ridge", "shore", "thorn"),
)


def word(kind: int) -> str:
    return f"{WORDS[kind % len(WORDS)]}{kind // len(WORDS) or ''}"


def skill(kind: int) -> str:
    own = " ".join(f"{word(kind)}{part}" for part in ("shape", "size", "seal", "sum", "sign"))
    return (
        f"---\nname: make-{word(kind)}\ndescription: Make the {word(kind)}. Use when asked.\n"
        f"---\n1. Read {word(kind)}.txt for {own}.\n2. Write {word(kind)}.out: its text, twice.\n"
    )


class Learner:
    """The model. It knows nothing but what it is sent."""

    def __init__(self, asks: Any) -> None:
        self.asks = asks

    def __call__(self, exchange: Exchange) -> Say:
        messages = exchange.json["messages"]
        last = max(n for n, each in enumerate(messages) if each["role"] == "user")
        text = _text(messages[last])
        step = sum(each["role"] == "assistant" for each in messages[last:])
        if text.startswith("You look back"):
            return self._look_back(text, step)
        if text.startswith("The check of"):
            return Say("It is not worth it.")
        name = text.rsplit("Make the ", 1)[1].partition(".")[0]
        trial = text.startswith("[Skill ")
        known = f"make-{name}: " in _text(messages[0])
        return self._work(name, step, short=trial or known, view=known and not trial)

    def _work(self, name: str, step: int, *, short: bool, view: bool) -> Say:
        calls = [("skill_view", {"name": f"make-{name}"})] if view else []
        detours = 0 if short else LONG
        calls += [("search_files", {"pattern": f"{name}{n}"}) for n in range(detours)]
        calls += [("read_file", {"path": f"{name}.txt"})]
        calls += [("write_file", {"path": f"{name}.out", "content": f"{name} {name}\n"})]
        return self.asks(calls[step]) if step < len(calls) else Say(f"Made {name}.out.")

    def _look_back(self, text: str, step: int) -> Say:
        asked = text.rsplit("PERSON: Make the ", 1)
        if len(asked) < 2:
            return Say("Nothing.")
        name = asked[1].partition(".")[0]
        kind = next(n for n in range(500) if word(n) == name)
        wrong = kind % 5 == 4  # its check asks for what the skill does not do
        copy = kind % 5 == 3  # it says again what an earlier one says
        content = (
            skill(kind - 1).replace(f"make-{word(kind - 1)}", f"make-{name}")
            if copy
            else skill(kind)
        )
        expected = f"{name} {name} {name}" if wrong else f"{name} {name}"
        check = {
            "task": f"Make the {name}.",
            "files": {f"{name}.txt": f"{name}\n"},
            "expect": [{"file": f"{name}.out", "equals": expected}],
        }
        where = {"name": f"make-{name}"}
        calls: list[tuple[str, dict[str, Any]]] = [
            ("skills_list", {"query": name}),
            ("skill_manage", {"action": "create", **where, "content": content}),
            (
                "skill_manage",
                {
                    "action": "write_file",
                    **where,
                    "file_path": "checks/make.json",
                    "file_content": json.dumps(check),
                },
            ),
        ]
        return self.asks(calls[step]) if step < len(calls) else Say("Done.")


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content)


async def _learn(
    system: Any, turn: Any, asks: Any, owner: Any, home: Path, tasks: int, repeats: int
) -> None:
    mine = home / "skills" / "mine" / "SKILL.md"
    mine.parent.mkdir(parents=True)
    mine.write_text(
        "---\nname: mine\ndescription: My own way. Use when I say so.\n---\nMy words.\n"
    )
    before = mine.read_bytes()
    system.configure(
        nudges={"delay": 0, "complex": LONG, "tokens_per_day": 10**9}, skills={"trial": tasks}
    )
    system.model.always = Learner(asks)
    kinds = [*range(tasks), *(n for n in range(tasks) if n % 5 < 3)][: tasks + repeats]
    spent: dict[int, list[int]] = {}
    async with system.runtime() as runtime:
        for number, kind in enumerate(kinds):
            place = system.place / f"task-{number}"
            place.mkdir()
            (place / f"{word(kind)}.txt").write_text(f"{word(kind)}\n")
            conversation = runtime.session(
                SessionKey("cli", f"chat-{number}"), directory=str(place)
            )
            events = await turn(
                conversation.send(f"Make the {word(kind)}.", authority=owner(yolo=True))
            )
            assert events.end.status == "ok", events.end
            assert (place / f"{word(kind)}.out").read_text() == f"{word(kind)} {word(kind)}\n"
            spent.setdefault(kind, []).append(events.end.usage.input + events.end.usage.output)
            async with asyncio.timeout(40):
                while await runtime.store.pending("nudges"):
                    await asyncio.sleep(0.02)
        library = Library(runtime.host.context("skills"))
        ledger = Ledger(runtime.host.context("nudges").paths.data).read()
        prompt = _text(system.model.requests[-1].json["messages"][0])

    learnt = {each.skill.name for each in library.all() if each.skill.origin == "agent"}
    good = {f"make-{word(kind)}" for kind in range(tasks) if kind % 5 < 3}
    assert learnt == good, "the right ones, no copy, and nothing whose check failed"
    for name in learnt:  # nothing came into use without a trial that passed, and was played back
        order = [event.kind for event in ledger if event.name == name]
        assert order == ["written", "tried", "learnt"], name
        (tried,) = [e for e in ledger if e.name == name and e.kind == "tried"]
        assert "and played back" in tried.detail
    waiting = {each.name: each.check.verdict for each in Workshop(library).candidates()}
    assert waiting == {f"make-{word(kind)}": "failed" for kind in range(tasks) if kind % 5 == 4}
    saved = [
        1 - again / first for first, again in (each for each in spent.values() if len(each) == 2)
    ]
    assert len(saved) == repeats
    assert median(saved) >= 0.30, f"median saving {median(saved):.0%} of {repeats} repeats"
    assert mine.read_bytes() == before, "what the person wrote is as it was"
    print(f"{tasks} tasks, {repeats} repeats: median saving {median(saved):.0%}")

    # Whoever was never used since its trial began costs nothing now.
    used = {name for name, use in library.usage.read().skills.items() if use.views}
    resting = {each.skill.name for each in library.all() if each.state == "resting"}
    for name in resting:
        assert f"{name}:" not in prompt or name in used
    assert "mine" not in used


async def test_repeats_are_cheaper_and_only_what_passed_is_kept(
    system: Any, turn: Any, asks: Any, owner: Any, home: Path
) -> None:
    await _learn(system, turn, asks, owner, home, 10, 4)


@pytest.mark.soak
async def test_fifty_tasks_with_twenty_repeats(
    system: Any, turn: Any, asks: Any, owner: Any, home: Path
) -> None:
    """AT-38 in full."""
    await _learn(system, turn, asks, owner, home, int(os.environ.get("HERMES_LEARNING", "50")), 20)
