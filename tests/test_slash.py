"""Slash commands: what is one, and which one is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes import Command, CommandContext, CommandFamily, UsageError, command
from hermes.slash import Slash
from hermes.testing import give
from hermes.testing.runtime import GivenHost


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("/new", ("new", "")),
        ("/Title  it's mine ", ("title", "it's mine")),
        ("/skill_view x\ny", ("skill-view", "x\ny")),
        ("/?", ("?", "")),
        ("/etc/hosts is odd", None),
        ("/ what", None),
        ("// comment", None),
        ("hello /new", None),
    ],
)
def test_a_slash_begins_a_command_only_before_a_name(
    typed: str, meant: tuple[str, str] | None
) -> None:
    assert Slash.parse(typed) == meant


class Recipes(CommandFamily):
    """Members that only a folder knows."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def members(self) -> dict[str, str]:
        return {name: f"Cook {name}" for name in self.names}

    def command(self, name: str) -> Command:
        @command(name, surfaces={"chat"}, role="user")
        async def cook(context: CommandContext) -> None:
            """Cook it."""
            context.reply(f"cooking {name}")

        return cook


@command(surfaces={"cli", "chat"})
async def stew(context: CommandContext) -> None:
    """Offered by its own name."""
    context.reply("the offered one")


def slash_of(tmp_path: Path, family: object) -> Slash:
    host = GivenHost(tmp_path, {"commands": {"stew": stew, "recipes": family}})
    host.families = {"recipes"}
    return host.slash


async def test_a_family_s_members_are_found_listed_and_completed(tmp_path: Path) -> None:
    slash = slash_of(tmp_path, Recipes("soup", "sauce"))
    name, found = slash.find("soup")
    context = await give(found)
    assert (name, context.text) == ("soup", "cooking soup")
    assert slash.find("sau")[0] == "sauce", "the beginning of a name will do"
    assert slash.menu() == {"stew": "Given by a test", "soup": "Cook soup", "sauce": "Cook sauce"}
    assert slash.complete("/so") == ["/soup "]
    with pytest.raises(UsageError, match="did you mean /soup"):
        slash.find("soop")


async def test_an_offer_stands_above_a_member_of_its_name(tmp_path: Path) -> None:
    slash = slash_of(tmp_path, Recipes("stew"))
    assert (await give(slash.find("stew")[1])).text == "the offered one"
    assert list(slash.menu()) == ["stew"]


def test_a_family_s_own_name_is_no_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no command /recipes"):
        slash_of(tmp_path, Recipes()).find("recipes")


def test_a_family_that_breaks_takes_nothing_with_it(tmp_path: Path) -> None:
    class Broken(Recipes):
        def members(self) -> dict[str, str]:
            raise OSError("the folder is gone")

    slash = slash_of(tmp_path, Broken())
    assert slash.find("stew")[0] == "stew"
    assert list(slash.menu()) == ["stew"]
