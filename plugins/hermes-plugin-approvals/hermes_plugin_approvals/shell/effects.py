"""What a command would do, as far as its text tells."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from hermes_plugin_approvals.shell.words import Word

Kind: TypeAlias = Literal[
    "look", "names", "read", "tree", "write", "repository", "commit", "run", "network", "unknown"
]
"""``look``: names, sizes, times of a path. ``names``: what a glob finds. ``read``: a file's text.
``tree``: the text of every file beneath a folder. ``write``: it is made, changed or moved.
``repository``: git runs there, and so whatever its configuration names; ``commit``: its hooks too.
``run``: a program that is not known, or code of the folder. ``network``: a host. ``unknown``: none
of these, or not understood."""


class Does(NamedTuple):
    """One thing that a program does, said by the program's entry; paths are still words."""

    kind: Kind
    word: Word | None = None
    """The path."""
    why: str = ""
    """What a person is told; of a network effect, the host."""


class Effect(NamedTuple):
    """One thing that a command does. Paths are absolute, with globs as `words` marks them."""

    kind: Kind
    path: str = ""
    why: str = ""


class Command(NamedTuple):
    """Another command that a program runs: its words."""

    words: tuple[Word, ...]


class Script(NamedTuple):
    """A text that a program runs as a shell does."""

    text: str


Outcome: TypeAlias = Does | Command | Script


def unknown(why: str) -> Does:
    return Does("unknown", None, why)


def runs(why: str) -> Does:
    return Does("run", None, why)
