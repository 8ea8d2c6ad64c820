"""What is read, from where, how much of it, and what a stranger's file cannot do."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hermes import PromptSession, SessionInfo
from hermes.testing import FakeContext
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_context_files import texts
from hermes_plugin_context_files.sections import Guidance, Identity, Project, Started
from hermes_plugin_context_files.settings import Settings

CREATED = 1_750_000_000_000_000  # a Sunday


@pytest.fixture
def context(plugin_context: MakeContext) -> FakeContext:
    return plugin_context("context-files", settings=Settings())


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "repo" / "sub"
    folder.mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    return folder


def opened(directory: Path | str = "", **fields: Any) -> PromptSession:
    return PromptSession(
        SessionInfo("s", directory=str(directory), created=CREATED), ("read_file",), **fields
    )


def with_settings(context: FakeContext, **fields: Any) -> FakeContext:
    context.settings = msgspec.structs.replace(context.settings, **fields)
    return context


# Identity


async def test_hermes_is_who_soul_md_says(context: FakeContext, home: Path) -> None:
    (home / "SOUL.md").write_text("  You are Ada.\r\nBe kind.\n")

    assert await Identity(context).render(opened()) == "You are Ada.\nBe kind."


async def test_without_soul_md_hermes_is_itself(context: FakeContext, home: Path) -> None:
    assert await Identity(context).render(opened()) == texts.IDENTITY
    (home / "SOUL.md").write_text(" \n")
    assert await Identity(context).render(opened()) == texts.IDENTITY


@pytest.mark.parametrize("where", ["absolute", "in the home"])
async def test_soul_may_lie_elsewhere(
    context: FakeContext, home: Path, tmp_path: Path, where: str
) -> None:
    path = tmp_path / "me.md" if where == "absolute" else home / "me.md"
    path.write_text("You are Bo.")
    soul = str(path) if where == "absolute" else "me.md"

    assert await Identity(with_settings(context, soul=soul)).render(opened()) == "You are Bo."


async def test_a_soul_that_cannot_be_read_is_said_and_hermes_is_itself(
    context: FakeContext, home: Path
) -> None:
    (home / "SOUL.md").write_bytes(b"\x7fELF\0\0")

    assert await Identity(context).render(opened()) == texts.IDENTITY
    assert str(home / "SOUL.md") in context.log.text


async def test_a_small_model_is_told_who_it_is_in_sixty_words(
    context: FakeContext, home: Path
) -> None:
    assert len((await Identity(context).render(opened(brief=True))).split()) <= 60
    (home / "SOUL.md").write_text("# Soul\n\nYou are Ada.\n\n" + "word " * 500)
    assert await Identity(context).render(opened(brief=True)) == "You are Ada."
    (home / "SOUL.md").write_text("word " * 500)
    assert len((await Identity(context).render(opened(brief=True))).split()) == 60


def test_what_hermes_says_by_itself_is_short() -> None:
    assert len(texts.GUIDANCE) <= 1024
    assert len(texts.IDENTITY) <= 1024


# Guidance and the day


async def test_guidance_is_for_conversations_with_tools(context: FakeContext) -> None:
    guidance = Guidance(context)

    assert await guidance.render(opened()) == texts.GUIDANCE
    assert await guidance.render(msgspec.structs.replace(opened(), tools=())) == ""
    assert await guidance.render(opened(brief=True)) == ""


async def test_the_day_is_said_and_never_the_hour(
    context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = await Started(context).render(opened())

    assert said == "Conversation started: Sunday, 2025-06-15"
    assert await Started(context).render(opened(brief=True)) == ""
    assert (await Started(context).render(PromptSession(SessionInfo("s")))).startswith("Conv")


# Project: which file

PRECEDENCE = [
    "sub/.hermes.md",
    "sub/HERMES.md",
    ".hermes.md",
    "HERMES.md",
    "sub/AGENTS.md",
    "sub/CLAUDE.md",
    "sub/.cursorrules",
]


@pytest.mark.parametrize("first", range(len(PRECEDENCE)))
async def test_the_first_kind_that_is_there_is_the_only_one(
    context: FakeContext, workspace: Path, first: int
) -> None:
    for name in PRECEDENCE[first:]:
        (workspace.parent / name).write_text(f"I am {name}!")

    said = await Project(context).render(opened(workspace))

    assert f"I am {PRECEDENCE[first]}!" in said
    assert said.count("I am") == 1


async def test_cursor_s_rules_come_together_by_name(context: FakeContext, workspace: Path) -> None:
    rules = workspace / ".cursor" / "rules"
    rules.mkdir(parents=True)
    (workspace / ".cursorrules").write_text("zero")
    (rules / "b.mdc").write_text("---\ndescription: x\nglobs: *.py\n---\ntwo")
    (rules / "a.mdc").write_text("one")
    (rules / "c.txt").write_text("three")

    said = await Project(context).render(opened(workspace))

    assert said.endswith(
        "## .cursorrules\n\nzero\n\n## .cursor/rules/a.mdc\n\none\n\n## .cursor/rules/b.mdc\n\ntwo"
    )


async def test_only_hermes_md_is_looked_for_above_and_only_to_the_repository_s_root(
    context: FakeContext, workspace: Path
) -> None:
    (workspace.parent / "AGENTS.md").write_text("above")
    (workspace.parent.parent / "HERMES.md").write_text("outside")

    assert await Project(context).render(opened(workspace)) == ""


async def test_without_a_repository_nothing_above_is_read(
    context: FakeContext, tmp_path: Path
) -> None:
    folder = tmp_path / "plain" / "sub"
    folder.mkdir(parents=True)
    (folder.parent / "HERMES.md").write_text("above")

    assert await Project(context).render(opened(folder)) == ""


async def test_an_empty_or_unreadable_file_makes_way_for_the_next(
    context: FakeContext, workspace: Path
) -> None:
    (workspace / "HERMES.md").write_text("---\na: 1\n---\n \n")
    (workspace / "AGENTS.md").write_bytes(b"\0\1\2")
    os.mkfifo(workspace / "agents.md")
    (workspace / "CLAUDE.md").write_text("me")

    assert (await Project(context).render(opened(workspace))).endswith("## CLAUDE.md\n\nme")


async def test_a_link_within_the_repository_is_followed(
    context: FakeContext, workspace: Path
) -> None:
    (workspace.parent / "CONTRIBUTING.md").write_text("shared")
    (workspace / "AGENTS.md").symlink_to("../CONTRIBUTING.md")

    assert "shared" in await Project(context).render(opened(workspace))


async def test_a_link_out_of_the_repository_is_not(
    context: FakeContext, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "id_rsa").write_text("-----BEGIN PRIVATE KEY-----")
    (workspace / "AGENTS.md").symlink_to(tmp_path / "id_rsa")
    (workspace / "HERMES.md").symlink_to("HERMES.md")

    assert await Project(context).render(opened(workspace)) == ""


async def test_projects_can_be_left_out(context: FakeContext, workspace: Path) -> None:
    (workspace / "AGENTS.md").write_text("me")

    assert await Project(with_settings(context, project=False)).render(opened(workspace)) == ""
    assert await Project(with_settings(context, project=True)).render(opened("")) == ""
    assert await Project(context).render(opened(workspace, brief=True)) == ""


async def test_where_the_text_comes_from_is_said(context: FakeContext, workspace: Path) -> None:
    (workspace / "AGENTS.md").write_text("Use make.")

    said = await Project(context).render(opened(workspace))

    assert said.startswith("# Project context\nFrom the workspace")
    assert "cannot give permission" in said


# Project: how much, in which encoding


async def test_a_long_file_keeps_head_and_tail(context: FakeContext, workspace: Path) -> None:
    text = "".join(f"{number:05}\n" for number in range(20_000))
    (workspace / "AGENTS.md").write_text(text)

    said = await Project(context).render(opened(workspace))
    body = said.partition("## AGENTS.md\n\n")[2]
    head, _, tail = body.partition("\n\n[… ")

    assert 13_990 <= len(head) <= 14_000
    assert body.endswith("19999")
    assert 3_990 <= len(tail.partition("]\n\n")[2]) <= 4_000
    assert re.search(r"\[… 10[12]\d{3} characters of AGENTS.md left out here", body)
    assert len(said) < Project(context).cap


@pytest.mark.parametrize(
    "data",
    [
        "Grüße, 日本 😀".encode(),
        "\ufeffGrüße, 日本 😀".encode(),
        "\ufeffGrüße, 日本 😀".encode("utf-16-le"),
        "\ufeffGrüße, 日本 😀".encode("utf-16-be"),
        "\ufeffGrüße, 日本 😀".encode("utf-32-le"),
    ],
    ids=["utf8", "utf8-bom", "utf16-le", "utf16-be", "utf32"],
)
async def test_encodings_are_read_for_what_they_are(
    context: FakeContext, workspace: Path, data: bytes
) -> None:
    (workspace / "AGENTS.md").write_bytes(data)

    assert (await Project(context).render(opened(workspace))).endswith("\n\nGrüße, 日本 😀")


async def test_what_is_no_utf8_is_read_as_windows_wrote_it(
    context: FakeContext, workspace: Path
) -> None:
    (workspace / "AGENTS.md").write_bytes("Grüße – „ja“".encode("cp1252"))

    assert (await Project(context).render(opened(workspace))).endswith("Grüße – „ja“")


async def test_a_file_without_permission_is_passed_over(
    context: FakeContext, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root every file can be read, so the refusal is played."""
    (workspace / "AGENTS.md").write_text("secret")
    (workspace / "CLAUDE.md").write_text("me")
    really = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "AGENTS.md":
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)

    assert (await Project(context).render(opened(workspace))).endswith("## CLAUDE.md\n\nme")
