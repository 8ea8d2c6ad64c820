"""A home with skills in it, and the tools over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes import Authority, ToolResult
from hermes.testing import make_call, make_session
from hermes_plugin_skills.library import Library
from hermes_plugin_skills.settings import Settings
from hermes_plugin_skills.tools import TOOLS
from hermes_plugin_skills.workshop import By, Workshop


def skill_text(name: str, description: str = "Do it", body: str = "1. Do it.", **more: Any) -> str:
    lines = [f"name: {name}", f"description: {description}"]
    lines += [f"{key}: {value}" for key, value in more.items()]
    return "\n".join(["---", *lines, "---", "", body, ""])


@pytest.fixture
def text() -> Callable[..., str]:
    """Give ``text(name, description, body, **front matter)``: a SKILL.md."""
    return skill_text


@pytest.fixture
def put(home: Path) -> Callable[..., Path]:
    """Give ``put(name, description, body, category=…, files=…)``: a person puts a skill there."""

    def made(
        name: str,
        description: str = "Do it",
        body: str = "1. Do it.",
        *,
        category: str = "",
        files: dict[str, str] | None = None,
        **more: Any,
    ) -> Path:
        folder = home / "skills" / category / name
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text(skill_text(name, description, body, **more))
        for path, content in (files or {}).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        return folder

    return made


@pytest.fixture
def context(plugin_context: Any) -> Any:
    return plugin_context("skills", settings=Settings())


@pytest.fixture
def library(context: Any) -> Library:
    return Library(context)


@pytest.fixture
def workshop(library: Library) -> Workshop:
    return Workshop(library)


@pytest.fixture
def learnt(workshop: Workshop) -> Callable[..., None]:
    """Give ``learnt(name, …)``: a skill that Hermes wrote and that is in use."""

    def made(name: str, description: str = "Do it", body: str = "1. Do it.") -> None:
        workshop.create(name, skill_text(name, description, body), by=By(session="earlier"))
        workshop.promote(name, person="owner")

    return made


@pytest.fixture
def use(context: Any) -> Callable[..., Any]:
    """Give ``await use(tool, **arguments)``: a call of a tool, by nobody who can be asked unless
    ``ask`` is given.
    """
    tools = {tool.name: tool for tool in TOOLS}

    async def made(
        name: str, /, *, session: str = "s1", ask: Any = None, role: Any = "owner", **given: Any
    ) -> ToolResult:
        call = make_call(
            tools[name],
            given,
            context=context,
            session=make_session(session, surface="cli"),
            authority=Authority("cli", role=role, can_ask=ask is not None),
            **({"ask": ask} if ask is not None else {}),
        )
        return await tools[name].run(call)

    return made


@pytest.fixture(autouse=True)
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the skills of whatever packages are installed beside."""
    monkeypatch.setattr("hermes_plugin_skills.library.packaged", lambda off: [])
