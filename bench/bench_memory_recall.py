"""What of memory reaches the model: ours beside a plain MEMORY.md, on the same script (AT-37).

200 facts of 20 unrelated projects are told, three in ten corrected later, one in eight expire; then
100 questions are asked, each in a conversation of its own, and 40 messages that have to do with
none. "Used" means: its text stands in a request to the scripted model. Everything passes the real
runtime, tool and files; only the model is scripted.

The plain side is Hermes Agent's: one file of 2,200 characters, all of it in every prompt, no dates.
Its scripted model, told that the file is full, drops the oldest entries until the new one fits.

Aims: corrected and expired facts never used; facts of other projects in < 5 % of prompts; the right
fact in >= 95 %; <= 800 tokens of memory a turn (at four characters each).

    python bench/bench_memory_recall.py [--seeds 11,12,13,14,15] [--projects 20] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from memory_world import Ask, Fact, World, world

from hermes import ModelSpec, PluginContext, PromptSection, PromptSession, SessionKey, TurnFinished
from hermes.runtime import Runtime
from hermes.testing import Call, Say, ScriptedProvider, make_context
from hermes.testing.runtime import open_runtime
from hermes_plugin_memory_files.files import MemoryFiles
from hermes_plugin_memory_files.section import Snapshot
from hermes_plugin_memory_files.tool import memory

LIMIT = 2200
LATER = 30 * 86_400
"""Seconds between the telling and the asking."""


@dataclass
class Score:
    """What was seen in the requests."""

    asked: int = 0
    right: int = 0
    """Of what was asked and holds, present."""
    answerable: int = 0
    stale: int = 0
    """Requests with a fact that was corrected or has expired."""
    foreign: int = 0
    """Requests with a fact of another project than the message is about, or of any, where it is
    about none and asked in no project's folder."""
    requests: int = 0
    tokens: list[float] = field(default_factory=list)
    """Of memory, a turn."""
    missed: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    olds: list[str] = field(default_factory=list)

    def look(self, ask: Ask, spec: ModelSpec, made: World) -> None:
        """Look at the request that *ask* led to."""
        said = "\n".join([spec.prompt, *(message.text for message in spec.messages)])
        self.requests += 1
        self.tokens.append(_memory_characters(spec) / 4)
        stale = [text for fact in made.facts for text in fact.stale if text in said]
        self.stale += bool(stale)
        self.olds += [f"{ask.text!r}: {text}" for text in stale[:1]]
        about = {ask.fact.project} if ask.fact else set()
        about |= {ask.place} - {""}
        strangers = [
            text for fact in made.facts if fact.project not in about for text in fact.texts
            if text in said
        ]  # fmt: skip
        self.foreign += bool(strangers)
        self.strangers += [f"{ask.text!r} about {about}: {text}" for text in strangers[:1]]
        if ask.fact is not None:
            self.asked += 1
            if ask.fact.current:
                self.answerable += 1
                self.right += ask.fact.current in said
                if ask.fact.current not in said:
                    self.missed.append(f"{ask.text!r}: {ask.fact.current}")

    def row(self) -> dict[str, Any]:
        return {
            "recall": self.right / self.answerable,
            "stale": self.stale / self.requests,
            "foreign": self.foreign / self.requests,
            "tokens_mean": statistics.mean(self.tokens),
            "tokens_max": max(self.tokens),
            "answerable": self.answerable,
            "requests": self.requests,
        }


def _memory_characters(spec: ModelSpec) -> int:
    """Count what memory adds to a turn: its part of the prompt, and what stands beside messages."""
    beside = sum(
        len(part)
        for message in spec.messages
        if message.role == "user"
        for part in message.text.split("\n\n")[1:]
    )
    return len(spec.prompt) + beside  # nothing but memory has a part in this prompt


class Plain(PromptSection):
    """Hermes Agent's MEMORY.md: all of it, in every prompt."""

    entries: list[str]

    def __init__(self, context: PluginContext) -> None:
        self.entries = []

    def add(self, text: str) -> None:
        self.entries.append(text)
        while len("\n§\n".join(self.entries)) > LIMIT:
            del self.entries[0]

    def replace(self, old: str, new: str) -> None:
        if old in self.entries:
            self.entries[self.entries.index(old)] = new
        else:  # it was dropped: to the model it is news
            self.add(new)

    async def render(self, session: PromptSession) -> str:
        text = "\n§\n".join(self.entries)
        share = 100 * len(text) // LIMIT
        rule = "═" * 46
        head = f"MEMORY (your personal notes) [{share}% — {len(text):,}/{LIMIT:,} chars]"
        return f"{rule}\n{head}\n{rule}\n{text}"


class Side:
    """One way of remembering, through the real runtime."""

    def __init__(self, runtime: Runtime, provider: ScriptedProvider, top: Path) -> None:
        self.runtime, self.provider, self.top = runtime, provider, top
        self._chats = 0

    def folder(self, project: str) -> str:
        folder = self.top / "work" / project.lower() if project else self.top / "home"
        folder.mkdir(parents=True, exist_ok=True)
        if project:
            (folder / ".git").mkdir(exist_ok=True)
        return str(folder if project else "")

    async def say(self, texts: list[str], place: str, *answers: Any) -> ModelSpec:
        """Say *texts* in a new conversation; give the last request."""
        self._chats += 1
        key = SessionKey("bench", str(self._chats))
        conversation = self.runtime.session(key, directory=self.folder(place))
        for text in texts:
            self.provider.will(*(answers or ("Noted.",)))
            async for event in conversation.send(text):
                if isinstance(event, TurnFinished):
                    assert event.status == "ok", event
        return self.provider.requests[-1]

    async def remember(self, place: str, **arguments: Any) -> None:
        """Let the model call the tool, as it would when told."""
        call = Say(calls=(Call("memory", json.dumps(arguments)),))
        spec = await self.say(["Remember this."], place, call, "Noted.")
        said = spec.messages[-1].parts[0]
        assert not getattr(said, "is_error", False), said


@contextmanager
def later(seconds: float) -> Iterator[None]:
    """Let the clock of this process be ahead."""
    real = time.time_ns

    def ahead() -> int:
        return real() + int(seconds * 1e9)

    with mock.patch("time.time_ns", new=ahead):
        yield


async def tell_ours(side: Side, made: World) -> None:
    order = sorted(range(len(made.facts)), key=lambda n: (n * 7919) % len(made.facts))
    for number in order:
        fact = made.facts[number]
        await side.remember(
            fact.project,
            action="add",
            target=fact.where,
            content=fact.texts[0],
            expires=fact.expires and _in_days(20),
        )
    for fact in made.facts:
        for old, new in _corrections(fact):
            arguments = {"target": fact.where, "old_text": old, "content": new}
            await side.remember(fact.project, action="replace", **arguments)


def tell_plain(plain: Plain, made: World) -> None:
    order = sorted(range(len(made.facts)), key=lambda n: (n * 7919) % len(made.facts))
    for number in order:
        plain.add(made.facts[number].texts[0])
    for fact in made.facts:
        for old, new in _corrections(fact):
            plain.replace(old, new)


def _corrections(fact: Fact) -> list[tuple[str, str]]:
    return list(zip(fact.texts, fact.texts[1:], strict=False))


def _in_days(days: int) -> str:
    return datetime.fromtimestamp(time.time() + days * 86_400, UTC).date().isoformat()


async def ask_all(side: Side, made: World) -> Score:
    score = Score()
    for ask in [*made.questions, *made.unrelated]:
        texts = [ask.before, ask.text] if ask.before else [ask.text]
        score.look(ask, await side.say(texts, ask.place), made)
    return score


async def measure(seed: int, projects: int, questions: int) -> dict[str, Score]:
    """Run both sides on the world of *seed*."""
    today = datetime.now(UTC).date()
    made = world(seed, today, projects=projects, questions=questions)
    scores: dict[str, Score] = {}
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        context = make_context("memory-files", home=top / "hermes")
        provider = ScriptedProvider()
        ours = {
            "memory": {"files": MemoryFiles(context)},
            "prompts": {"memory": Snapshot(context)},
        }
        async with open_runtime(
            top / "hermes", provider=provider, tools=[memory], offers=ours
        ) as runtime:
            side = Side(runtime, provider, top)
            await tell_ours(side, made)
            with later(LATER):
                scores["memory-files"] = await ask_all(side, made)
                scores["open since before"] = await outranked(side, made)
        plain = Plain(context)
        tell_plain(plain, made)
        async with open_runtime(
            top / "plain", provider=provider, offers={"prompts": {"memory": plain}}
        ) as runtime:
            scores["plain MEMORY.md"] = await ask_all(Side(runtime, provider, top), made)
    return scores


async def outranked(side: Side, made: World) -> Score:
    """Correct one fact of each project while a conversation in its folder is open, and ask there:
    the frozen prompt holds the old text; `right` counts those that were told what holds instead,
    `stale` those that were not.
    """
    score = Score()
    for fact in made.facts:
        if fact.kind != "format" or not fact.current:
            continue
        key = SessionKey("bench", f"open {fact.project}")
        there = side.runtime.session(key, directory=side.folder(fact.project))
        new = f"Code of {fact.project} is formatted by hand"
        for number, text in enumerate(("Hello.", "How is the code formatted?")):
            side.provider.will("Noted.")
            async for _ in there.send(text):
                pass
            if number == 0:
                await side.remember(
                    fact.project, action="replace", target="project", old_text=fact.current,
                    content=new,
                )  # fmt: skip
        spec = side.provider.requests[-1]
        assert fact.current in spec.prompt and new not in spec.prompt, "it is frozen"
        told = f"] {new} (" in spec.messages[-1].text
        told = told and "no longer holds; instead: [m:" in spec.messages[-1].text
        score.answerable += 1
        score.requests += 1
        score.right += told
        score.stale += not told
        score.tokens.append(_memory_characters(spec) / 4)
    return score


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="11,12,13,14,15")
    parser.add_argument("--projects", type=int, default=20)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--show", action="store_true", help="what was missed, and what was foreign")
    given = parser.parse_args()
    found: dict[str, list[Score]] = {}
    for seed in map(int, given.seeds.split(",")):
        for name, score in asyncio.run(measure(seed, given.projects, given.questions)).items():
            found.setdefault(name, []).append(score)
    if given.json:
        print(json.dumps({name: [asdict(s) | s.row() for s in all] for name, all in found.items()}))
        return
    facts = given.projects * 10
    print(f"{facts} facts, {given.questions} questions, 40 unrelated messages, seeds {given.seeds}")
    for name, scores in found.items():
        rows = [score.row() for score in scores]
        low = {key: min(row[key] for row in rows) for key in rows[0]}
        high = {key: max(row[key] for row in rows) for key in rows[0]}
        print(
            f"{name:18} right fact {_share(low, high, 'recall')}"
            f"   corrected or expired {_share(low, high, 'stale')}"
            f"   foreign {_share(low, high, 'foreign')}"
            f"   tokens {statistics.mean(row['tokens_mean'] for row in rows):.0f} mean,"
            f" {high['tokens_max']:.0f} most"
        )
        if given.show:
            for score in scores:
                if name.startswith("plain"):
                    continue
                print("\n".join(f"    missed  {each}" for each in score.missed))
                print("\n".join(f"    foreign {each}" for each in score.strangers))
                print("\n".join(f"    stale   {each}" for each in score.olds))


def _share(low: dict[str, Any], high: dict[str, Any], key: str) -> str:
    return f"{low[key]:.1%} to {high[key]:.1%}" if low[key] != high[key] else f"{low[key]:.1%}"


if __name__ == "__main__":
    main()
