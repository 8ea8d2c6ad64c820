"""Several calls that a person sees together and allows once: the exact list, once, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hermes.events import Asked, ToolFinished
from hermes.session import Authority, SessionKey
from hermes.testing import Say

PLUGIN = """
@hookimpl
def hermes_tools():
    return [Offer("post", "hermes_plugin_post.parts:post", "Post")]
"""
PARTS = '''
import os
from pathlib import Path
from hermes import TOGETHER, tool

@tool(needs={"send"}, lane=TOGETHER)
async def post(text: str) -> str:
    """Post a text."""
    with Path(os.environ["POSTED"]).open("a") as file:
        file.write(text + "\\n")
    return "posted"
'''


class Talk:
    """A conversation with somebody who answers *yes* or *no* to all."""

    def __init__(self, system: Any, asks: Any, owner: Any) -> None:
        self.system, self.asks, self.owner = system, asks, owner
        self.questions: list[str] = []
        self.results: list[ToolFinished] = []

    async def turn(
        self, *answers: Say, say: str = "once", authority: Authority | None = None
    ) -> None:
        """Have the model give *answers*; what is asked and what came of it is kept."""
        self.questions, self.results = [], []
        self.system.model.will(*answers, "Done.")
        async with (
            self.system.runtime() as runtime
        ):  # each turn in a process of its own, as it were
            talk = runtime.session(SessionKey("cli", "x"), directory=str(self.system.place))
            async for event in talk.send("Go on", authority=authority or self.owner(can_ask=True)):
                if isinstance(event, ToolFinished):
                    self.results.append(event)
                if isinstance(event, Asked):
                    self.questions.append(event.text)
                    assert await runtime.answer(event.id, say)

    def plan(self, *commands: str) -> Say:
        steps = [{"tool": "terminal", "arguments": {"command": each}} for each in commands]
        given: Say = self.asks(("propose_plan", {"steps": steps, "why": "to tidy up"}))
        return given

    def run(self, command: str) -> Say:
        given: Say = self.asks(("terminal", {"command": command}))
        return given


@pytest.fixture
def talk(system: Any, asks: Any, owner: Any) -> Talk:
    return Talk(system, asks, owner)


MAKE = ["mkdir -p out", "touch out/one", "rm -r out"]


async def test_one_question_shows_the_exact_list_and_each_call_runs_once(talk: Talk) -> None:
    await talk.turn(talk.plan(*MAKE), *(talk.run(each) for each in MAKE))
    (question,) = talk.questions
    assert [question.index(each) for each in MAKE] == sorted(question.index(e) for e in MAKE)
    assert "within 60 minutes" in question and question.count("in local:") == 3
    assert not any("denied" in each.text for each in talk.results)
    assert (await talk.system.run("grants", "list")).out.startswith("No grants")
    await talk.turn(talk.run("rm -r out"), say="deny")
    assert len(talk.questions) == 1, "what was spent is asked about again"


@pytest.mark.parametrize(
    "calls",
    [["touch out/one"], ["mkdir -p  out"], ["mkdir -p out", "rm -r out"], ["mkdir -p out"] * 2],
    ids=["out of order", "another byte", "one left out", "again"],
)
async def test_anything_else_than_the_next_step_is_asked_about(
    talk: Talk, calls: list[str]
) -> None:
    await talk.turn(talk.plan(*MAKE))
    await talk.turn(*(talk.run(each) for each in calls), say="deny")
    assert len(talk.questions) == 1
    assert calls[-1] in talk.questions[0]


async def test_a_plan_outlives_a_restart_and_is_seen_and_taken_back(talk: Talk) -> None:
    await talk.turn(talk.plan(*MAKE))
    await talk.turn(talk.run(MAKE[0]))
    assert not talk.questions
    listed = (await talk.system.run("grants", "list")).out
    assert "3 exact calls, each once" in listed and "to tidy up" in listed
    shown = (await talk.system.run("grants", "show", listed.split()[0])).out
    assert "1. made terminal: mkdir -p out" in shown and "2. terminal: touch out/one" in shown
    assert "Revoked" in (await talk.system.run("grants", "revoke", listed.split()[0])).out
    await talk.turn(talk.run(MAKE[1]), say="deny")
    assert len(talk.questions) == 1
    assert not (talk.system.place / "out" / "one").exists()


async def test_two_equal_calls_at_the_same_time_spend_one_step(
    talk: Talk, beside: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside.install("post", PLUGIN, parts=PARTS)
    monkeypatch.setenv("POSTED", str(tmp_path / "posted"))
    call = ("post", {"text": "once"})
    steps = [{"tool": call[0], "arguments": call[1]}] * 2
    plan = talk.asks(("propose_plan", {"steps": steps, "why": "to post"}))
    await talk.turn(plan)
    await talk.turn(talk.asks(call, call, call, call), say="deny")
    assert (tmp_path / "posted").read_text() == "once\n" * 2
    assert len(talk.questions) == 2


async def test_no_means_that_no_step_is_allowed(talk: Talk) -> None:
    await talk.turn(talk.plan(*MAKE), talk.run(MAKE[0]), say="deny")
    assert len(talk.questions) == 2
    assert not (talk.system.place / "out").exists()


async def test_a_plan_allows_nothing_that_nobody_can_allow(talk: Talk) -> None:
    """Hard refusals, rules, steps that are none, and steps too long to be seen."""
    talk.system.configure(approvals={"deny": ["sudo *"]})
    bad = ["rm -rf /", "sudo ls", "echo " + "x" * 3000]
    await talk.turn(*(talk.plan("mkdir -p out", each) for each in bad))
    assert not talk.questions
    assert ["Step 2" in each.text for each in talk.results] == [True] * 3
    nested = {"tool": "propose_plan", "arguments": {"steps": [], "why": "more"}}
    await talk.turn(talk.asks(("propose_plan", {"steps": [nested], "why": "deeper"})))
    assert not talk.questions


async def test_a_plan_that_a_text_asked_for_names_the_text(talk: Talk) -> None:
    (talk.system.place / "notes.txt").write_text(f"To do: {MAKE[2]}, then {MAKE[0]}")
    read = talk.asks(("read_file", {"path": "notes.txt"}))
    await talk.turn(read, talk.plan(MAKE[2], MAKE[0]), say="deny")
    (question,) = talk.questions
    assert "NOT YOUR WORDS: this stands in the text from file:notes.txt" in question
    assert "of this machine: file:notes.txt" in question


async def test_nobody_to_ask_means_no_plan(talk: Talk) -> None:
    guest = Authority("cli", "mallory", "guest", can_ask=True)
    for authority in (talk.owner(can_ask=False), guest):
        await talk.turn(talk.plan(*MAKE), authority=authority)
        assert not talk.questions
        assert talk.results[0].is_error
    assert (await talk.system.run("grants", "list")).out.startswith("No grants")


async def test_a_step_that_fails_ends_the_plan(talk: Talk) -> None:
    steps = [
        {"tool": "patch", "arguments": {"path": "gone", "old_string": "a", "new_string": "b"}},
        {"tool": "write_file", "arguments": {"path": "after", "content": "x"}},
    ]
    calls = [(each["tool"], each["arguments"]) for each in steps]
    plan = talk.asks(("propose_plan", {"steps": steps, "why": "one after the other"}))
    await talk.turn(plan, *(talk.asks(call) for call in calls), say="once")
    assert len(talk.questions) == 2, "what came after the failure was asked about anew"
    assert "The plan ends" in talk.results[1].text
