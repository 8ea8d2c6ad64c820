"""Permissions can be seen and taken back, and only one's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hermes import UsageError
from hermes.testing import make_session, make_tool
from hermes.testing.commands import FakeCommandContext, give
from hermes_plugin_approvals.commands import approvals

shell = make_tool("terminal", needs=frozenset({"run"}))


def at_the_shell(gate: Any, person: str = "owner", **parts: Any) -> FakeCommandContext:
    host = SimpleNamespace(context=lambda plugin: gate.context)
    return FakeCommandContext(
        "cli", person=person, host=host, runtime=SimpleNamespace(host=host), **parts
    )


async def allow(gate: Any, command: str, lasts: str, **parts: Any) -> str:
    gate.person.answers = [lasts]
    await gate(shell, {"command": command}, **parts)
    return str(gate.ran[-1].digest[:8])


async def test_the_list_says_what_where_when_and_for_how_long(gate: Any) -> None:
    id = await allow(gate, "make test", "always")

    said = await give(approvals, "list", context=at_the_shell(gate))

    assert said.replies == [
        f"{id}  always   2025-06-15  terminal  make test  (local:{gate.folder})"
    ]
    assert (await give(approvals, context=at_the_shell(gate))).replies == said.replies


async def test_a_conversation_s_own_are_listed_in_it(gate: Any) -> None:
    await allow(gate, "make", "session")

    there = at_the_shell(gate, session=make_session("session-1"))
    assert "session" in (await give(approvals, "list", context=there)).text
    assert "Nothing runs" in (await give(approvals, "list", context=at_the_shell(gate))).text


async def test_what_is_taken_back_is_asked_about_again(gate: Any) -> None:
    id, _ = await allow(gate, "make", "always"), await allow(gate, "make test", "always")

    said = await give(approvals, "revoke", id, context=at_the_shell(gate))

    assert said.text.startswith(f"Taken back: {id}")
    assert (await gate(shell, {"command": "make"})).is_error
    assert (await gate(shell, {"command": "make test"})).text == "ran"


async def test_clear_takes_back_everything_of_one_person(gate: Any) -> None:
    await allow(gate, "make", "always")
    await allow(gate, "make test", "session")
    await allow(gate, "make", "always", person="bob")
    await allow(gate, "make it", "session", person="bob")

    said = await give(
        approvals, "clear", context=at_the_shell(gate, session=make_session("session-1"))
    )

    assert said.text == "Taken back: 2 permissions."
    assert (await gate(shell, {"command": "make"})).is_error
    assert (await gate(shell, {"command": "make"}, person="bob")).text == "ran"
    assert (await gate(shell, {"command": "make it"}, person="bob")).text == "ran"


@pytest.mark.parametrize("id", ["abc", "ffffffff"])
async def test_an_id_that_names_nothing_is_an_error(gate: Any, id: str) -> None:
    await allow(gate, "make", "always")

    with pytest.raises(UsageError, match="permission"):
        await give(approvals, "revoke", id, context=at_the_shell(gate))
