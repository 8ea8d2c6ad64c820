"""Slash commands: what is one, and which one is meant."""

from __future__ import annotations

import pytest

from hermes.slash import Slash


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
