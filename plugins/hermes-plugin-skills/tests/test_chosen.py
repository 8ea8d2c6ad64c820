"""``/<skill>`` in a chat, and what turns that used a skill count for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hermes import Authority, Notice, SessionKey, ToolFinished, UserSaid
from hermes.runtime import Runtime
from hermes.testing import Call, FakeCommandContext, Say, ScriptedProvider, give, open_runtime
from hermes.testing.runtime import AllowAll
from hermes_plugin_skills.library import Library
from hermes_plugin_skills.outcomes import Outcomes
from hermes_plugin_skills.slash import SkillCommands
from hermes_plugin_skills.tools import TOOLS


@pytest.fixture
async def runtime(home: Path, context: Any) -> AsyncIterator[Runtime]:
    provider = ScriptedProvider(*["Done."] * 9)
    links = [AllowAll(), Outcomes(context)]
    async with open_runtime(
        home, provider=provider, tools=TOOLS, middleware=links, surface="cli"
    ) as runtime:
        context.runtime = runtime
        runtime.script = provider  # type: ignore[attr-defined]
        yield runtime


async def choose(runtime: Any, context: Any, name: str, *words: str, **fields: Any) -> Any:
    conversation = runtime.session(SessionKey("cli", "here"))
    await conversation.load()
    at = FakeCommandContext(runtime=runtime, conversation=conversation, **fields)
    await give(SkillCommands(context).command(name), *words, context=at)
    return at


async def test_a_skill_chosen_by_its_name_stands_before_what_is_said(
    runtime: Any, context: Any, put: Any, library: Library
) -> None:
    put(
        "tidy", "Tidy up. And more.", "1. Look in ${HERMES_SKILL_DIR}.", files={"scripts/a.sh": "x"}
    )
    assert SkillCommands(context).members() == {"tidy": "Tidy up"}
    at = await choose(runtime, context, "tidy", "my folder, please")
    assert at.streamed[-1].status == "ok"
    records = await runtime.store.records(at.conversation.info.id)
    (said,) = [each.body.text for each in records if isinstance(each.body, UserSaid)]
    assert said.startswith("[Skill tidy, chosen for this message]\n\n# tidy\n\n1. Look in /")
    assert "- scripts/a.sh" in said and said.endswith("\n\nmy folder, please")
    use = library.usage.read().skills["tidy"]
    assert (use.views, use.helped, use.failed) == (1, 1, 0)


async def test_in_a_messenger_it_is_a_message_that_waits_its_turn(
    runtime: Any, context: Any, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("tidy")
    posted: list[tuple[str, str]] = []

    async def post(self: Any, text: str, busy: str) -> None:
        posted.append((text, busy))

    monkeypatch.setattr(FakeCommandContext, "post", post, raising=False)
    monkeypatch.setattr(FakeCommandContext, "gateway", property(lambda self: object()))
    await choose(runtime, context, "tidy", "now")
    assert posted[0][0].startswith("[Skill tidy") and posted[0][1] == "queue"


async def test_a_command_that_fails_after_a_skill_was_read_counts_against_it(
    runtime: Any, context: Any, put: Any, library: Library
) -> None:
    put("tidy")
    view = Say(calls=(Call("skill_view", '{"name": "tidy"}'),))
    missing = Say(calls=(Call("skill_view", '{"name": "nothing"}'),))
    runtime.script.answers[:0] = [view, missing, "Done."]
    conversation = runtime.session(SessionKey("cli", "there"))
    async for _ in conversation.send("Tidy", authority=Authority("cli", role="owner")):
        pass
    use = library.usage.read().skills["tidy"]
    assert (use.views, use.helped, use.failed) == (1, 1, 0), "its own tools do not count"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("out\n[exit 0, 0.1 s]", False),
        ("out\n[exit 2, 0.1 s]", True),
        ("[exit 1: no match, 0.1 s]", False),
        ("[exit 127: command not found, 0.1 s]", True),
        ("the log said [exit 3, 1 s] earlier\n[exit 0, 0.1 s]", False),
    ],
)
def test_an_exit_code_says_whether_a_command_went_wrong(text: str, wrong: bool) -> None:
    from hermes import Finished
    from hermes_plugin_skills.outcomes import troubled

    assert troubled(Finished(id="1", tool="terminal", text=text)) is wrong


async def test_an_owner_is_told_of_what_lies_there_unused(
    runtime: Any, context: Any, put: Any, library: Library
) -> None:
    library.adopt()
    put("dropped")
    for role, told in (("owner", True), ("user", False)):
        conversation = runtime.session(SessionKey("cli", role))
        authority = Authority("cli", role=role)  # type: ignore[arg-type]
        events = [event async for event in conversation.send("Hi", authority=authority)]
        notices = [event.text for event in events if isinstance(event, Notice)]
        assert any("dropped (hermes skills trust NAME)" in text for text in notices) is told
        again = [event async for event in conversation.send("Hi", authority=authority)]
        assert not [event for event in again if isinstance(event, Notice)], "once a conversation"


async def test_an_incognito_conversation_reads_skills_and_leaves_no_byte(
    runtime: Any, context: Any, put: Any, home: Path
) -> None:
    put("tidy")
    context.incognito = True
    for middleware in (each.middleware for each in runtime.links):
        if isinstance(middleware, Outcomes):
            middleware._library = Library(context)
    runtime.host._contexts["test"] = context
    before = {path: path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}
    view = Say(calls=(Call("skill_view", '{"name": "tidy"}'),))
    create = '{"action": "create", "name": "new", "content": "---\\nname: new\\n---\\nx"}'
    runtime.script.answers[:0] = [view, Say(calls=(Call("skill_manage", create),)), "Done."]
    conversation = runtime.session(SessionKey("cli", "dark"))
    authority = Authority("cli", role="owner")
    events = [event async for event in conversation.send("Tidy", authority=authority)]
    told = [event.text for event in events if isinstance(event, ToolFinished)]
    assert "1. Do it." in told[0]
    assert told[1] == "Not kept: this conversation is incognito."
    after = {path: path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}
    assert after == before
