"""When a conversation is looked back at, and when not."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hermes import Authority, ModelInfo, ToolResult
from hermes.runtime import Runtime
from hermes.testing import Call, Say, ScriptedProvider, make_key, make_tool, open_runtime
from hermes.testing.runtime import AllowAll
from hermes_plugin_nudges.due import Due, done, taken, waiting
from hermes_plugin_nudges.middleware import Nudges
from hermes_plugin_nudges.review import Reviews
from hermes_plugin_nudges.settings import Settings
from hermes_plugin_skills.library import Library
from hermes_plugin_skills.workshop import By, Workshop

STEP = Say(calls=(Call("probe"),))


async def fails(call: Any) -> ToolResult:
    return ToolResult.error("it is gone")


@pytest.fixture
async def runtime(home: Path, plugin_context: Any) -> AsyncIterator[Runtime]:
    nudges = Nudges(plugin_context("nudges", settings=Settings(delay=60, every=4, complex=3)))
    tools = [make_tool("probe"), make_tool("skill_view"), make_tool("broken", fails)]
    provider = ScriptedProvider("Fine.", *["Fine."] * 40)
    async with open_runtime(
        home, provider=provider, tools=tools, middleware=[AllowAll(), nudges]
    ) as runtime:
        nudges._context.runtime = runtime
        runtime.script = provider  # type: ignore[attr-defined]
        yield runtime


async def say(runtime: Any, *answers: Any, chat: str = "a", **authority: Any) -> None:
    runtime.script.answers[:0] = answers
    who = Authority(**{"surface": "test", "role": "owner", **authority})
    async for _ in runtime.session(make_key(chat)).send("Hello", authority=who):
        pass


async def test_many_tool_calls_are_worth_a_look(runtime: Any) -> None:
    await say(runtime, STEP, STEP)
    assert await waiting(runtime.store) == []
    await say(runtime, STEP, STEP, STEP, person="ann", role="user")
    (due,) = await waiting(runtime.store)
    assert (due.why, due.person, due.role) == (("complex",), "ann", "user")
    assert due.model == "scripted:model" and due.tokens > 0


async def test_so_are_many_messages_counted_from_the_last_look(runtime: Any) -> None:
    for _ in range(9):
        await say(runtime)
    assert [due.why for due in await waiting(runtime.store)] == [("turns",), ("turns",)]


async def test_and_a_skill_that_led_to_an_error(runtime: Any) -> None:
    view = Say(calls=(Call("skill_view", '{"name": "deploy"}'),))
    broken = Say(calls=(Call("broken"),))
    await say(runtime, view, STEP)
    await say(runtime, broken)
    assert await waiting(runtime.store) == [], "no skill was read, or nothing went wrong"
    await say(runtime, view, broken)
    (due,) = await waiting(runtime.store)
    assert (due.why, due.failed) == (("failed",), ("deploy",))


async def test_guests_are_not_looked_at_and_groups_are_marked(runtime: Any) -> None:
    await say(runtime, STEP, STEP, STEP, role="guest", chat="b")
    assert await waiting(runtime.store) == []
    await say(runtime, STEP, STEP, STEP, role="user", group=True, chat="c")
    assert [due.group for due in await waiting(runtime.store)] == [True]


async def test_what_is_incognito_is_not_looked_back_at(runtime: Any) -> None:
    for link in runtime.links:
        if isinstance(link.middleware, Nudges):
            link.middleware._context.incognito = True
    await say(runtime, STEP, STEP, STEP)
    assert await waiting(runtime.store) == []


async def test_one_process_at_a_time_looks_back(runtime: Any) -> None:
    due = Due(session="s", turn="t", why=("asked",))
    await runtime.store.commit((due.change(),))
    await runtime.store.commit((due.change(),))
    assert len(await waiting(runtime.store)) == 1
    owner = await taken(runtime.store, due)
    assert owner and await taken(runtime.store, due) == ""
    await done(runtime.store, due, owner, "")
    again = await taken(runtime.store, due)
    assert again, "it was put back"
    await done(runtime.store, due, again, "done")
    assert await waiting(runtime.store) == []


async def test_what_nobody_uses_is_archived_and_what_is_pinned_stays(
    home: Path, plugin_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    skills = plugin_context("skills")
    workshop = Workshop(Library(skills))
    for name in ("old", "dear", "used"):
        text = f"---\nname: {name}\ndescription: Do {name}\n---\n{name} {name}one {name}two."
        workshop.create(name, text, by=By())
        workshop.promote(name, person="owner")
    workshop.library.usage.change("dear", pinned=True)
    (home / "skills" / "mine").mkdir()
    (home / "skills" / "mine" / "SKILL.md").write_text(
        "---\nname: mine\ndescription: Mine\n---\nMy own."
    )
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 91 * 86_400)
    workshop.library.usage.used("used", "t")
    context = plugin_context("nudges", settings=Settings())
    async with open_runtime(home) as runtime:
        runtime.host.context = lambda plugin: skills  # type: ignore[attr-defined]
        context.runtime = runtime
        assert await Reviews(context).tidy() == ["old"]
    left = {e.skill.name for e in workshop.library.all() if e.skill.origin != "package"}
    assert left == {"dear", "used", "mine"}
    assert "old old" in (workshop.restore("old").folder / "SKILL.md").read_text()


async def test_a_model_that_calls_no_tools_is_not_asked(home: Path, plugin_context: Any) -> None:
    class Small(ScriptedProvider):
        async def info(self, name: str) -> ModelInfo:
            return ModelInfo(name, tools=False)

    async with open_runtime(home, provider=(small := Small("Hello."))) as runtime:
        context = plugin_context("nudges", settings=Settings())
        context.runtime = runtime
        runtime.host.context = lambda plugin: plugin_context(plugin)
        async for _ in runtime.session(make_key("a")).send("Hi", authority=Authority("test")):
            pass
        info = (await runtime.store.sessions())[0]
        due = Due(session=info.id, turn="t", why=("turns",), model="scripted:model")
        assert await Reviews(context).run(due) == []
        assert len(small.requests) == 1, "only the turn"
