"""What was sent once is sent again byte for byte, so that a vendor's cache pays (AT-22).

Read off the wire: the bytes that the model's server received.
"""

from __future__ import annotations

import json
import os
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hermes.session import SessionKey
from hermes.testing import Exchange, Say

TURNS = int(os.environ.get("HERMES_PREFIX_TURNS", "40"))
BLOCK = 512
"""Bytes that a vendor's cache counts by: 128 tokens of four bytes."""

MEMORY = """
@hookimpl
def hermes_memory():
    return [Offer("notebook", "hermes_plugin_notebook.parts:Notebook", "Writes down everything")]
"""
PARTS = '''
from hermes import Memory

class Notebook(Memory):
    """Recalls what was said before, in a file: each turn it is another text."""

    def __init__(self, context):
        self.file = context.paths.data / "notes"

    async def recall(self, turn):
        return f"[Remembered]\\n{self.file.read_text()[-300:]}" if self.file.exists() else ""

    async def record(self, turn, result):
        with self.file.open("a") as file:
            file.write(turn.input.text + "\\n")

    async def forget(self, person, about):
        return 0
'''


def parts(exchange: Exchange) -> tuple[bytes, bytes]:
    """Split a request into what stands before the messages (without the model), and them."""
    head, _, messages = exchange.raw.partition(b'"messages":[')
    model = json.dumps(exchange.json["model"]).encode()
    return head.replace(b'"model":' + model, b'"model":""', 1), messages.removesuffix(b"]}")


def common(one: bytes, other: bytes) -> int:
    """Count the bytes that both begin with."""
    differ = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return len(one) if other.startswith(one) else next(differ, min(len(one), len(other)))


def cached_share(requests: list[Exchange]) -> float:
    """Say what share of all input a vendor's cache serves: per model, in whole blocks, and the
    first request to each model, which nothing can have cached, left out.
    """
    seen: dict[str, list[bytes]] = {}
    served = total = 0
    for exchange in requests:
        prefix = b"\0".join(parts(exchange))
        before = seen.setdefault(exchange.json["model"], [])
        if before:
            total += len(prefix)
            served += max(common(prefix, each) for each in before[-3:]) // BLOCK * BLOCK
        before.append(prefix)
    return served / total


def skill(number: int) -> dict[str, str]:
    """Give what writes a skill that is like none before."""
    words = " ".join(f"w{number}x{each}" for each in range(9))
    content = f"---\nname: way-{number}\ndescription: Way {number}\n---\n1. {words}"
    return {"action": "create", "name": f"way-{number}", "content": content}


class Script:
    """The model's side of forty turns: tools in most, several steps in some, then an answer."""

    def __init__(self, asks: Any, place: Path) -> None:
        self.asks, self.place, self.number = asks, place, 0

    def __call__(self, exchange: Exchange) -> Say:
        last = exchange.json["messages"][-1]
        self.number += 1
        if last["role"] == "tool" and self.number % 3:
            return Say(f"Answer {self.number}. " + "It is so, and more is to be said. " * 6)
        calls = [
            (
                "todo",
                {"todos": [{"id": "1", "content": f"step {self.number}", "status": "pending"}]},
            ),
            ("write_file", {"path": f"note-{self.number}.md", "content": f"# {self.number}\n"}),
            ("terminal", {"command": f"date +%N; ls; export N={self.number}"}),
            ("read_file", {"path": "facts.md"}),
            ("terminal", {"command": "seq 100 | tail -20; false"}),
            ("memory", self.remembered()),
            ("skill_manage", skill(self.number)),
            ("skill_view", {"name": f"way-{self.number - 1}"}),
        ]
        first = self.number % len(calls)
        return self.asks(*calls[first : first + 2])

    def remembered(self) -> dict[str, Any]:
        """A write of memory: something new, or a correction of what the prompt may hold."""
        kept = {"target": ("user", "project", "memory")[self.number % 3], "always": True}
        if self.number % 2:
            return {**kept, "action": "add", "content": f"Question {self.number} was asked"}
        return {**kept, "action": "replace", "content": f"Now {self.number}", "old_text": "Q"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give what sets this process's clock: by how many seconds it is off."""
    off = [0.0]
    real, real_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: real() + off[0])
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(off[0] * 1e9))

    def set_off(seconds: float) -> None:
        off[0] = seconds

    return set_off


async def test_forty_turns_pay_for_each_byte_once(
    system: Any, beside: Any, turn: Any, asks: Any, owner: Any, clock: Any
) -> None:
    beside.install("notebook", MEMORY, parts=PARTS)
    system.configure(memory="notebook", nudges={"enabled": False})
    quarantine = system.home / "skills" / ".quarantine"
    (system.place / "AGENTS.md").write_text("Be brief.\n")
    (system.home / "memories").mkdir()
    (system.home / "memories" / "USER.md").write_text("Question mark: likes them")
    (system.place / "facts.md").write_text("The sky is blue.\n" * 20)
    system.model.always = Script(asks, system.place)
    key = SessionKey("cli", str(system.place))
    done = 0
    while done < TURNS:
        async with system.runtime() as runtime:  # a restart every five turns
            conversation = runtime.session(key, directory=str(system.place))
            for _ in range(5):
                done += 1
                clock({12: 86_400 * 400, 18: -86_400 * 30, 25: 0}.get(done, 0))
                if done in (14, 22):
                    await conversation.use_model("openai:other" if done == 14 else "openai:test")
                if done in (10, 30):  # a person corrects what the prompt says, by hand
                    user = system.home / "memories" / "USER.md"
                    user.write_text(f"Dislikes question marks, since turn {done}")
                if done == 8:  # what the prompt was made of changes; the conversation's does not
                    (system.place / "AGENTS.md").write_text("Be long.\n")
                if done % 10 == 0:  # a person lets one in: the next conversation has it, not this
                    waits = sorted(path.stem for path in quarantine.glob("way-*.json"))
                    accepted = await system.run("skills", "accept", waits[0])
                    assert accepted.status == 0, accepted.errors
                events = await turn(
                    conversation.send(f"Question {done}", authority=owner(yolo=True))
                )
                assert events.end.status == "ok", events.end
            id = conversation.info.id
        if done % 15 == 0:  # and by another process, as another person would
            program = await system.run("--yolo", "-c", "-z", f"From a program, after {done}")
            assert program.status == 0, program.errors
    async with system.runtime() as runtime:
        records = await runtime.store.records(id)
        kinds = [record.body.kind for record in records]
        assert kinds.count("user") == TURNS + TURNS // 15
        declared = [kind for kind in kinds if kind in ("compacted", "rewound", "reprompted")]
        assert declared == [], "a point at which the prefix may change"

    requests = system.model.requests
    assert len(requests) > TURNS * 2
    assert {exchange.json["model"] for exchange in requests} == {"test", "other"}
    for number, (before, after) in enumerate(pairwise(requests)):
        head, messages = parts(before)
        next_head, next_messages = parts(after)
        assert next_head == head, f"request {number + 1}: tools or options changed"
        assert next_messages.startswith(messages), (
            f"request {number + 1} differs at byte {common(messages, next_messages)}:"
            f" {messages[common(messages, next_messages) :][:200]!r}"
        )
    assert requests[-1].raw.count(b"[Remembered]") > TURNS / 2, "memory took part"
    assert requests[-1].raw.count(b"Kept in quarantine: way-") > TURNS / 10, "skills were written"
    assert b"Question mark: likes them (" in requests[-1].raw, "and its snapshot"
    assert requests[-1].raw.count(b"] no longer holds.") >= 3, "and what set it right"
    share = cached_share(requests)
    print(f"{share:.1%} of {len(requests)} requests' input was served from the cache")
    assert share >= 0.95, f"{share:.1%} of the input was served from the cache"


async def test_the_first_request_with_all_tools_is_small(system: Any, turn: Any) -> None:
    system.model.will("Hello.")
    done = await system.run("-z", "hi")
    assert done.status == 0, done.errors
    (exchange,) = system.model.requests
    names = {tool["function"]["name"] for tool in exchange.json["tools"]}
    assert {"terminal", "process", "read_file", "write_file", "patch", "search_files"} <= names
    assert len(exchange.raw) <= 16_000, len(exchange.raw)


async def test_a_prefix_changes_where_it_is_said_to_and_nowhere_else(
    system: Any, turn: Any, owner: Any
) -> None:
    """Undo takes messages back, a new conversation begins afresh: both show in the journal."""
    system.model.always = Say("Fine.")
    async with system.runtime() as runtime:
        conversation = runtime.session(SessionKey("cli", "x"), directory=str(system.place))
        for text in ("one", "two", "three"):
            await turn(conversation.send(text, authority=owner()))
        await conversation.undo()
        await turn(conversation.send("three, said better", authority=owner()))
        fresh = await conversation.new()
        await turn(fresh.send("one", authority=owner()))
    one, two, three, better, again = (parts(exchange)[1] for exchange in system.model.requests)
    assert two.startswith(one) and three.startswith(two)
    assert better.startswith(two + b',{"role":"assistant"') and not better.startswith(three)
    assert again == one
