"""What the prompt says of skills, and what that costs."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import pytest

from hermes import PromptSession, SessionInfo
from hermes_plugin_skills.library import Library
from hermes_plugin_skills.prompt import SkillIndex
from hermes_plugin_skills.settings import Settings
from hermes_plugin_skills.skill import SYSTEMS

HERE = SYSTEMS.get(sys.platform, "linux")
AWAY = "windows" if HERE != "windows" else "macos"


def session(*tools: str, surface: str = "cli", toolsets: tuple[str, ...] = ()) -> PromptSession:
    return PromptSession(
        SessionInfo("s", surface=surface), ("skill_view", *tools), toolsets=toolsets
    )


@pytest.fixture
def index(context: Any) -> Any:
    """Give ``await index(session)``, for these settings."""

    async def render(at: PromptSession | None = None, **settings: Any) -> str:
        context.settings = Settings(**settings)
        return await SkillIndex(context).render(at or session())

    return render


async def test_a_skill_is_a_line_under_its_category(put: Any, index: Any) -> None:
    put("tidy", "Tidy up a folder")
    put("deploy", "Deploy the site. Use when asked to publish.", category="ops")
    lines = (await index()).splitlines()
    assert lines[-3:] == [
        "tidy: Tidy up a folder",
        "ops/",
        "deploy: Deploy the site. Use when asked to publish.",
    ]


async def test_without_skills_or_their_tools_nothing_is_said(put: Any, index: Any) -> None:
    assert await index() == ""
    put("tidy")
    assert await index(PromptSession(SessionInfo("s"), ("terminal",))) == ""


async def test_two_hundred_skills_take_less_than_two_thousand_tokens(put: Any, index: Any) -> None:
    """Counted at three and a half characters a token, where English has about four."""
    for number in range(200):
        put(
            f"{('deploy', 'review', 'convert', 'report')[number % 4]}-topic-{number}",
            f"Handle topic {number}: what to look at first, which commands to run, what to check"
            " and how to tell the person about it in the end",
            category=f"group-{number % 8}",
        )
    said = await index()
    assert len(said) / 3.5 <= 2_000, len(said)
    assert all(f"-topic-{number}:" in said for number in range(200))
    assert await index() == said, "and it is the same text each time"


async def test_too_many_for_any_words_leaves_names_and_then_some_of_them(
    put: Any, index: Any
) -> None:
    for number in range(100):
        put(f"skill-number-{number}", "Something or other that is to be done")
    said = await index(index_chars=2_000)
    assert "skill-number-99" in said and "Something" not in said
    assert len(await index(index_chars=500)) < 700


async def test_what_does_not_suit_is_left_out(put: Any, index: Any) -> None:
    put("here", platforms=HERE)
    put("away", platforms=f"[{AWAY}]")
    put("off")
    put("quiet")
    said = await index(disabled=("off",), platform_disabled={"telegram": ["quiet"]})
    assert "here" in said and "quiet" in said
    assert "away" not in said and "off:" not in said
    said = await index(session(surface="telegram"), platform_disabled={"telegram": ["quiet"]})
    assert "quiet" not in said


async def test_conditions_on_tools_are_kept(put: Any, index: Any) -> None:
    put("shelly", metadata="{hermes: {requires_toolsets: [terminal]}}")
    put("webby", metadata="{hermes: {requires_tools: [web_search]}}")
    put("curly", metadata="{hermes: {fallback_for_tools: [web_search]}}")
    said = await index(session("terminal", toolsets=("shell",)))
    assert "shelly" in said and "curly" in said and "webby" not in said
    said = await index(session("web_search"))
    assert "webby" in said and "curly" not in said and "shelly" not in said


async def test_an_unused_skill_costs_nothing_after_its_trial(
    put: Any, index: Any, library: Library
) -> None:
    """Pain point 38: of two skills, the one that is used stays, and use brings one back."""
    put("used", "Is read now and then")
    put("unused", "Is never read")
    for number in range(35):
        library.adopt()
        if number % 10 == 0:
            library.usage.used("used", f"turn-{number}")
    assert "unused" not in await index() and "used:" in await index()
    states = {each.skill.name: each.state for each in library.all()}
    assert states == {"used": "active", "unused": "resting"}
    library.usage.used("unused", "t")
    assert "unused:" in await index()


async def test_a_pinned_skill_stays(put: Any, index: Any, library: Library) -> None:
    put("dear")
    library.adopt()
    library.usage.change("dear", pinned=True)
    for _ in range(40):
        library.adopt()
    assert "dear:" in await index()


async def test_a_skill_that_comes_late_has_its_own_trial(
    put: Any, index: Any, library: Library, learnt: Any
) -> None:
    put("old")
    for _ in range(40):
        library.adopt()
    learnt("late", "Came just now")
    assert "late:" in await index() and "old:" not in await index()


async def test_a_broken_skill_takes_nothing_with_it(
    put: Any, index: Any, context: Any, home: Any
) -> None:
    put("good")
    put("bad")
    (home / "skills" / "bad" / "SKILL.md").write_bytes(b"---\nname: \xff\n---\n")
    assert "good:" in await index()
    assert any("bad" in str(entry) for entry in context.log.entries)


def test_the_settings_of_hermes_agent_mean_the_same() -> None:
    given = {"external_dirs": ["~/x"], "disabled": ["a"], "template_vars": False}
    assert msgspec.convert(given, Settings).template_vars is False
