"""Nobody learns what somebody else said (AT-11): not from a prompt, a memory, a search, a file.

Twenty people on three messengers, each in a private chat and in a group, write at the same time.
Each message holds a canary. Everything is the installed system over one real home; the gateway is
stopped in the middle of turns, and conversations are compacted meanwhile. What is said in a group
all of it have read: a search there may find it, a search elsewhere only for whoever said it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from hermes.errors import NotFound
from hermes.gateway import Gateway
from hermes.messages import Text, ToolOutput, user
from hermes.platform import Attachment, Outgoing
from hermes.records import Compacted
from hermes.runtime import Runtime
from hermes.session import SessionKey
from hermes.testing import Call, FakePlatform, Say, ScriptedProvider

PEOPLE = 20
MESSENGERS = ("one", "two", "three")
CANARY = re.compile(r"CANARY-(\d\d)-(\d{4})-(alone|one|two|three)-[0-9a-f]{8}")
ROUNDS = 4

INIT = """
@hookimpl
def hermes_platforms():
    return [Offer(name, f"{__name__}.parts:{name}", name) for name in ("one", "two", "three")]

@hookimpl
def hermes_providers():
    return [Offer("canaries", f"{__name__}.parts:canaries", "Answers with what it was told")]
"""
PARTS = "GIVEN = {}\n" + "".join(
    f"def {name}(context): return GIVEN[{name!r}]\n" for name in (*MESSENGERS, "canaries")
)


def whose(text: str) -> set[int]:
    """Say whose canaries a text holds."""
    return {int(match[1]) for match in CANARY.finditer(text)}


def strange(text: str, asked: str) -> list[str]:
    """Give the canaries in *text* that whoever said the canary *asked*, where they did, must not
    see there.
    """
    mine = CANARY.search(asked)
    if mine is None:  # a title, a look back: it is about one person's conversation
        return [] if len(whose(text)) <= 1 else [text]
    return [
        match[0]
        for match in CANARY.finditer(text)
        if match[1] != mine[1] and (match[3] == "alone" or match[3] != mine[3])
    ]


class Canaries(ScriptedProvider):
    """A model that looks at all it is told, and uses every tool that could tell it more."""

    def __init__(self) -> None:
        super().__init__(name="canaries")
        self.leaks: list[str] = []
        self.looked: Counter[str] = Counter()

    async def stream(self, request: Any) -> Any:
        self.answers.append(self._answer)
        self.requests.clear()
        return await super().stream(request)

    def _answer(self, request: Any) -> Say:
        spec = request.spec
        parts = [part for message in spec.messages for part in message.parts]
        texts = [part.text for part in parts if isinstance(part, Text | ToolOutput)]
        canary = _last(message.text for message in spec.messages if message.role == "user")
        self.leaks += strange("\n".join([spec.prompt, *texts]), canary)
        last = spec.messages[-1]
        output = next((part for part in last.parts if isinstance(part, ToolOutput)), None)
        if output is not None:
            self.looked[output.name] += bool(output.text) and not output.is_error
            return Say(f"Done. {canary}")
        return _use(canary, {tool.name for tool in spec.tools}) or Say(f"Noted {canary}")


def _last(texts: Iterable[str]) -> str:
    found = [match[0] for text in texts for match in CANARY.finditer(text)]
    return found[-1] if found else ""


def _use(canary: str, tools: set[str]) -> Say | None:
    """Choose a tool that might tell of others, for half of the messages."""
    if not canary:
        return None
    ways = {
        0: Call(
            "memory", f'{{"action":"add","target":"memory","content":"The harbour: {canary}"}}'
        ),
        1: Call("session_search", '{"query":"harbour"}'),
        2: Call("session_search", '{"query":"CANARY"}'),
        3: Call("session_search", "{}"),
        4: Call("terminal", '{"command":"env"}') if canary[-2] in "012" else None,
    }
    call = ways.get(int(canary[-8:], 16) % 8)
    return Say(calls=(call,)) if call is not None and call.name in tools else None


class Crowd:
    """The people, what they say, and what they get."""

    def __init__(self, parts: ModuleType, folder: Path, count: int) -> None:
        self.chosen = Random(11)
        self.folder, self.count = folder, count
        self.model = Canaries()
        self.messengers = {name: FakePlatform(name=name) for name in MESSENGERS}
        parts.GIVEN.update(self.messengers, canaries=self.model)  # type: ignore[attr-defined]
        self.said: dict[tuple[str, str, str], str] = {}
        """Messenger, chat and message to its canary."""

    def speak(self, numbers: Iterable[int]) -> None:
        """Let somebody write each of these messages."""
        for number in numbers:
            person = self.chosen.randrange(PEOPLE)
            name = MESSENGERS[person % 3]
            group = self.chosen.random() < 0.2
            where = name if group else "alone"
            canary = f"CANARY-{person:02}-{number:04}-{where}-{self.chosen.randrange(2**32):08x}"
            text, files = f"Think of the harbour: {canary}", ()
            if self.chosen.random() < 0.05:
                path = self.folder / f"{number}.txt"
                path.write_text(f"In a file: {canary}")
                text, files = "See the file", (Attachment(str(path), "text/plain"),)
            chat = "group" if group else f"private-{person}"
            about = {"chat": chat, "sender": str(person), "group": group, "attachments": files}
            if group and self.chosen.random() < 0.5:
                about["thread"] = "7"  # in a topic all of the group have one conversation
            message = self.messengers[name].say(text, **about)
            self.said[name, chat, message.id] = canary

    def answers(self) -> list[tuple[str, str]]:
        """Give each answer with the canary of the message that it answers."""
        return [
            (self.said[name, part.key.chat, part.reply_to], part.text)
            for name, messenger in self.messengers.items()
            for part in messenger.sent
            if part.reply_to
        ]


@contextlib.asynccontextmanager
async def serving(system: Any) -> AsyncIterator[Gateway]:
    async with system.runtime("gateway") as runtime:
        gateway = Gateway(runtime)
        task = asyncio.ensure_future(gateway.run())
        await gateway.ready.wait()
        yield gateway
        gateway.stop()
        await task
        await compact(runtime)


async def compact(runtime: Runtime) -> None:
    """Put a summary in the place of what some conversations hold, as compaction does."""
    for info in (await runtime.store.sessions())[::5]:
        agent = await runtime.agent(info)
        fold = agent.transcript.fold
        if fold.turn is None and fold.head:
            held = [part.text for m in fold.messages for part in m.parts if isinstance(part, Text)]
            summary = user(f"What was said: {_last(held)}")
            agent.transcript.note(Compacted(upto=fold.head, messages=(summary,), reason="test"))
            await agent.transcript.commit()


@pytest.mark.parametrize(
    "count", [pytest.param(200, id="few"), pytest.param(2000, id="many", marks=pytest.mark.soak)]
)
async def test_no_canary_gets_to_anybody_else(
    count: int, system: Any, beside: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    beside.install("crowd", INIT, parts=PARTS)
    import hermes_plugin_crowd.parts as parts  # type: ignore[import-not-found]

    system.configure(
        model="canaries:any",
        approvals={"mode": "off"},
        gateway={"busy": "queue", "drain": 0.3},
        access={"allow": dict.fromkeys(MESSENGERS, "*")},
    )
    crowd = Crowd(parts, system.home.parent, count)
    share = count // ROUNDS
    for number in range(ROUNDS):
        async with serving(system) as gateway:
            crowd.speak(range(number * share, (number + 1) * share))
            wanted = (number + (0.6 if number < ROUNDS - 1 else 1)) * share
            async with asyncio.timeout(30 + count):
                while len(crowd.answers()) < wanted:
                    await asyncio.sleep(0.02)
                while number == ROUNDS - 1 and await gateway.runtime.store.pending("inbox"):
                    await asyncio.sleep(0.02)
            if number == ROUNDS - 1:
                with pytest.raises(NotFound):
                    await gateway.runtime.outbox.put(Outgoing(SessionKey("one", ""), "to whom?"))

    assert crowd.model.leaks == []
    assert {"memory", "session_search", "terminal"} <= set(+crowd.model.looked)
    answers = crowd.answers()
    for canary, text in answers:
        assert whose(text) <= whose(canary), (canary, text)
    answered = Counter(canary for canary, text in answers if canary in text)
    assert set(answered) == set(crowd.said.values())
    assert max(answered.values()) == 1
    memories = system.home / "memories"
    files = [f.read_text(errors="replace") for f in memories.rglob("*") if f.is_file()]
    assert any(map(whose, files))
    for file in files:  # a person's, or a topic's
        said_in = {match[3] for match in CANARY.finditer(file)}
        assert len(whose(file)) <= 1 or (len(said_in) == 1 and "alone" not in said_in)
    assert "CANARY" not in "".join(os.environ.values())
