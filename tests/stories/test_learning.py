"""From a task that was hard once to a skill that is used, and mended when the world changes.

The whole system: real files, real tools, the real policy, a model that is scripted over the wire.
What the model says in a trial is played back by the `replay` provider.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from skills_ref import validate

from hermes.session import SessionKey
from hermes.testing import Exchange, Say
from hermes_plugin_skills.library import Library
from hermes_plugin_skills.workshop import Workshop

SKILL = """\
---
name: release-note
description: Write a release note from CHANGES by the template. Use when asked for a release note.
---
1. Read CHANGES: the part of the version.
2. Read the template in templates/release.md and keep its headings.
3. Write release-VERSION.md: the template with "@" replaced by the version, then the changes.
"""


def check(template: str) -> str:
    return json.dumps(
        {
            "task": "Write the release note for 2.0.",
            "files": {"CHANGES": "2.0\n- Faster\n", template: "# Release @\n"},
            "expect": [{"file": "release-2.0.md", "contains": "# Release 2.0\n- Faster"}],
        }
    )


class Brain:
    """The model: what it answers follows from what it was asked and how far it is."""

    def __init__(self, asks: Any) -> None:
        self.asks = asks
        self.turns: dict[str, list[Any]] = {}
        """Beginning of the person's (or the reviewer's) message to the answers of that turn."""
        self.seen: list[str] = []

    def on(self, message: str, *answers: Any) -> None:
        """Answer a message that begins so: tuples of (tool, arguments) are calls, texts the end."""
        self.turns.pop(message, None)
        self.turns = {message: list(answers), **self.turns}

    def __call__(self, exchange: Exchange) -> Say:
        messages = exchange.json["messages"]
        last = max(n for n, each in enumerate(messages) if each["role"] == "user")
        text = _text(messages[last])
        step = sum(each["role"] == "assistant" for each in messages[last:])
        if step == 0:
            self.seen.append(text)
        answers = next(
            (a for begin, a in self.turns.items() if text.startswith(begin)), ["Nothing."]
        )
        answer = answers[min(step, len(answers) - 1)]
        return Say(answer) if isinstance(answer, str) else self.asks(*answer)


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content)


def read(path: str) -> tuple[Any, ...]:
    return (("read_file", {"path": path}),)


def write(version: str, change: str) -> tuple[Any, ...]:
    content = f"# Release {version}\n- {change}\n"
    return (("write_file", {"path": f"release-{version}.md", "content": content}),)


async def settled(runtime: Any) -> None:
    """Wait until nothing waits to be looked back at any more."""
    async with asyncio.timeout(40):
        while await runtime.store.pending("nudges"):
            await asyncio.sleep(0.05)
    await runtime.idle()


@pytest.fixture
def brain(system: Any, asks: Any) -> Brain:
    made = Brain(asks)
    system.model.always = made
    system.configure(nudges={"delay": 0, "complex": 5})
    return made


@pytest.fixture
def world(system: Any) -> Path:
    place: Path = system.place
    (place / "CHANGES").write_text("1.4\n- Smaller\n")
    (place / "templates").mkdir()
    (place / "templates" / "release.md").write_text("# Release @\n")
    return place


def books(runtime: Any) -> Workshop:
    return Workshop(Library(runtime.host.context("skills")))


HARD = [
    (("search_files", {"pattern": "elease"}),),
    read("README"),
    read("CHANGES"),
    (("search_files", {"pattern": "*.md", "target": "files"}),),
    read("templates/release.md"),
    write("1.4", "Smaller"),
    "Written: release-1.4.md",
]
LOOK = [
    (("skills_list", {"query": "release"}),),
    (("skill_manage", {"action": "create", "name": "release-note", "content": SKILL}),),
    (
        (
            "skill_manage",
            {
                "action": "write_file",
                "name": "release-note",
                "file_path": "checks/basic.json",
                "file_content": check("templates/release.md"),
            },
        ),
    ),
    "Kept one skill.",
]
DONE = [read("CHANGES"), read("templates/release.md"), write("2.0", "Faster"), "Written."]
VIEW = (("skill_view", {"name": "release-note"}),)


async def say(turn: Any, runtime: Any, owner: Any, place: Path, text: str, chat: str) -> Any:
    conversation = runtime.session(SessionKey("cli", chat), directory=str(place))
    events = await turn(conversation.send(text, authority=owner(yolo=True)))
    assert events.end.status == "ok", events.end
    return events


async def test_a_skill_is_learnt_tried_used_in_a_new_conversation_and_repaired(
    system: Any, brain: Brain, world: Path, turn: Any, owner: Any
) -> None:
    # A complex task, with a detour that ends in an error.
    brain.on("Write the release note for 1.4", *HARD)
    brain.on("You look back", *LOOK)
    brain.on("[Skill release-note", *DONE)
    async with system.runtime() as runtime:
        await say(turn, runtime, owner, world, "Write the release note for 1.4", "first")
        await settled(runtime)
        workshop = books(runtime)
        assert workshop.candidates() == [], [each.check for each in workshop.candidates()]
        skill = workshop.library.find("release-note")
        assert skill.origin == "agent" and validate(skill.folder) == []
        assert workshop.library.lock().skills["release-note"].session
        ledger = runtime.host.context("nudges").paths.data / "learning.jsonl"
        kinds = [json.loads(line)["kind"] for line in ledger.read_text().splitlines()]
        assert kinds == ["review", "written", "tried", "learnt"]
        tried = json.loads(ledger.read_text().splitlines()[2])
        assert tried["detail"].startswith("passed: 1 of 1") and tried["tokens"] < tried["before"]

    # A new conversation, in a new process: it stands in the prompt, and is used.
    brain.on("Please write the release note", VIEW, read("CHANGES"), read("templates/release.md"),
             write("1.5", "Rounder"), "Written: release-1.5.md")  # fmt: skip
    (world / "CHANGES").write_text("1.5\n- Rounder\n")
    async with system.runtime() as runtime:
        await say(turn, runtime, owner, world, "Please write the release note for 1.5", "second")
        await settled(runtime)
        prompt = system.model.requests[-1].json["messages"][0]["content"]
        assert "release-note: Write a release note from CHANGES" in prompt
        use = Library(runtime.host.context("skills")).usage.read().skills["release-note"]
        assert (use.views, use.helped, use.failed) == (1, 1, 0)

    # The world changes: what the skill says is no longer so.
    (world / "templates" / "release.md").rename(world / "template.md")
    brain.on("A release note for 1.6", VIEW, read("CHANGES"), read("templates/release.md"),
             read("template.md"), write("1.6", "Kinder"), "Written.")  # fmt: skip
    patch = {
        "action": "patch",
        "name": "release-note",
        "old_string": "templates/release.md",
        "new_string": "template.md",
    }
    again = {
        "action": "write_file",
        "name": "release-note",
        "file_path": "checks/basic.json",
        "file_content": check("template.md"),
    }
    brain.on("You look back", VIEW, (("skill_manage", patch), ("skill_manage", again)), "Mended.")
    brain.on("[Skill release-note", read("CHANGES"), read("template.md"), write("2.0", "Faster"),
             "Written.")  # fmt: skip
    async with system.runtime() as runtime:
        await say(turn, runtime, owner, world, "A release note for 1.6", "third")
        await settled(runtime)
        look_back = next(text for text in reversed(brain.seen) if text.startswith("You look back"))
        assert "then ran into errors: release-note" in look_back
        skill = Library(runtime.host.context("skills")).find("release-note")
        text = (skill.folder / "SKILL.md").read_text()
        assert "template in template.md" in text and validate(skill.folder) == []
        history = list((skill.folder.parent / ".history" / "release-note").glob("*/SKILL.md"))
        assert "templates/release.md" in history[0].read_text(), "the old version is kept"

    # Used again, and it leads right.
    brain.on("And one for 1.7", VIEW, read("CHANGES"), read("template.md"),
             write("1.7", "Calmer"), "Written.")  # fmt: skip
    async with system.runtime() as runtime:
        events = await say(turn, runtime, owner, world, "And one for 1.7", "fourth")
        assert "template in template.md" in str(events)
        await settled(runtime)
        use = Library(runtime.host.context("skills")).usage.read().skills["release-note"]
        assert (use.helped, use.failed, use.patches) == (2, 1, 1)

    # What became of it all, and that it can be shown again without a model.
    shown = await system.run("learning")
    assert shown.status == 0, shown.errors
    assert "helped 2, failed 1" in shown.out and "repaired" in shown.out
    asked = len(system.model.requests)
    played = await system.run("learning", "check")
    assert (played.status, played.out) == (0, "release-note checks/basic.json: as recorded\n")
    assert len(system.model.requests) == asked, "no model was asked"
    page = system.place / "learning.html"
    await system.run("learning", "--html", str(page))
    assert "release-note" in page.read_text() and "<svg" in page.read_text()
    told = json.loads((await system.run("learning", "--json")).out)
    assert told["skills"][0]["before"] > told["skills"][0]["now"] > 0


async def test_a_skill_that_does_not_work_is_mended_once_and_then_left_in_quarantine(
    system: Any, brain: Brain, world: Path, turn: Any, owner: Any
) -> None:
    brain.on("Write the release note for 1.4", *HARD)
    brain.on("You look back", *LOOK)
    brain.on("The check of release-note did not pass", "I cannot mend it.")
    brain.on("[Skill release-note", write("2.0", "Slower"), "Written.")
    async with system.runtime() as runtime:
        await say(turn, runtime, owner, world, "Write the release note for 1.4", "first")
        await settled(runtime)
        (candidate,) = books(runtime).candidates()
        assert candidate.check.verdict == "failed"
        assert "does not contain '# Release 2.0\\n- Faster'" in candidate.check.detail
        assert any("did not pass: checks/basic.json" in text for text in brain.seen)
    async with system.runtime() as runtime:
        await say(turn, runtime, owner, world, "Hello", "second")
        assert "release-note" not in system.model.requests[-1].json["messages"][0]["content"]


async def test_a_check_that_needs_a_command_waits_for_a_person(
    system: Any, brain: Brain, world: Path, turn: Any, owner: Any
) -> None:
    """On this machine's own terminal nothing runs unattended; a person may allow it for a trial."""
    script = "open('release-2.0.md', 'w').write('# Release 2.0\\n- Faster\\n')"
    make = (("terminal", {"command": f'python3 -c "{script}"'}),)
    brain.on("Write the release note for 1.4", *HARD)
    brain.on("You look back", *LOOK)
    brain.on("[Skill release-note", make, "Written.")
    async with system.runtime() as runtime:
        await say(turn, runtime, owner, world, "Write the release note for 1.4", "first")
        await settled(runtime)
        (candidate,) = books(runtime).candidates()
        assert candidate.check.verdict == "person"
        assert "nobody allowed: terminal" in candidate.check.detail
    done = await system.run("learning", "try", "release-note", "--commands")
    assert done.status == 0, done.errors
    assert "passed" in done.out and "Learnt the skill release-note." in done.out
    listed = json.loads((await system.run("skills", "list", "--json")).out)
    assert "release-note" in {each["name"] for each in listed["skills"]}


async def test_what_a_person_wrote_is_never_changed_without_them(
    system: Any, brain: Brain, world: Path, turn: Any, owner: Any, home: Path
) -> None:
    """Their skill leads into an error; the look back mends it, and that waits for their word."""
    folder = home / "skills" / "release-note"
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(SKILL.replace("templates/release.md", "gone.md"))
    before = (folder / "SKILL.md").read_bytes()
    patch = {"action": "patch", "name": "release-note", "old_string": "gone.md",
             "new_string": "templates/release.md"}  # fmt: skip
    brain.on("A release note for 1.4", VIEW, read("gone.md"), write("1.4", "Smaller"), "Written.")
    brain.on("You look back", VIEW, (("skill_manage", patch),), LOOK[2], "Mended.")
    brain.on("[Skill release-note", *DONE)
    async with system.runtime() as runtime:
        await say(turn, runtime, owner, world, "A release note for 1.4", "first")
        await settled(runtime)
        assert (folder / "SKILL.md").read_bytes() == before
        (candidate,) = books(runtime).candidates()
        assert candidate.check.verdict == "passed" and candidate.of_person
    shown = await system.run("learning")
    assert "waits: release-note (change): it changes what a person wrote" in shown.out
    assert (await system.run("skills", "accept", "release-note")).status == 0
    assert "templates/release.md" in (folder / "SKILL.md").read_text()


async def test_what_is_due_outlives_the_process(
    system: Any, brain: Brain, world: Path, turn: Any, owner: Any
) -> None:
    """A program that ends with its answer leaves the look back to the next one."""
    system.configure(nudges={"delay": 30, "complex": 5})
    brain.on("Write the release note for 1.4", *HARD)
    brain.on("You look back", *LOOK)
    brain.on("[Skill release-note", *DONE)
    done = await system.run("--yolo", "-z", "Write the release note for 1.4")
    assert done.status == 0, done.errors
    assert not any(text.startswith("You look back") for text in brain.seen)
    system.configure(nudges={"delay": 0, "complex": 5})
    later = await system.run("learning", "review")
    assert later.status == 0, later.errors
    assert "Learnt the skill release-note." in later.out
    assert "Looked back at 0" in (await system.run("learning", "review")).out


async def test_looking_back_has_a_budget(
    system: Any, brain: Brain, world: Path, turn: Any, owner: Any
) -> None:
    system.configure(nudges={"delay": 0, "complex": 5, "tokens_per_day": 0})
    brain.on("Write the release note for 1.4", *HARD)
    async with system.runtime() as runtime:
        await say(turn, runtime, owner, world, "Write the release note for 1.4", "first")
        await asyncio.sleep(0.3)
        assert len(await runtime.store.pending("nudges")) == 1, "it waits"
    assert not any(text.startswith("You look back") for text in brain.seen)


async def test_a_look_back_has_no_tools_but_memory_and_skills(
    system: Any, brain: Brain, world: Path, turn: Any, owner: Any
) -> None:
    brain.on("Write the release note for 1.4", *HARD)
    brain.on("You look back", (("terminal", {"command": "touch pwned"}),), "Nothing.")
    async with system.runtime() as runtime:
        await say(turn, runtime, owner, world, "Write the release note for 1.4", "first")
        await settled(runtime)
        listed = await runtime.store.sessions()
        assert [info.surface for info in listed] == ["cli"], "it is no conversation of its own"
    (request,) = [
        each
        for each in system.model.requests
        if _text(each.json["messages"][-1]).startswith("You look back")
    ]
    names = {tool["function"]["name"] for tool in request.json["tools"]}
    assert names <= {"memory", "skills_list", "skill_view", "skill_manage"}
    assert not (world / "pwned").exists()
