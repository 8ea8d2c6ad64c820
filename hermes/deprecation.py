"""How something public goes: it says so for two minor versions, and when (§4.2).

    warn("Terminal.shell", since="1.2", instead="Terminal.run")

    # Terminal.shell is deprecated since 1.2 and goes in 1.4 at the earliest: use Terminal.run

A name that moved stands in `RENAMED`, and `hermes` gives the new thing for the old name. What a
plugin uses of it when it is listed is a line under it in `hermes plugins`, what it uses elsewhere a
line of `hermes plugins check` and of its tests.
"""

from __future__ import annotations

import warnings

import msgspec

MINORS = 2
"""For how many minor versions something deprecated stays."""


class HermesDeprecation(DeprecationWarning):
    """Something that a plugin uses will go."""


class Renamed(msgspec.Struct, frozen=True):
    """A public name that has another one now."""

    now: str
    since: str
    """The version, as in ``1.2``, that said so first."""


RENAMED: dict[str, Renamed] = {}
"""Old public names of `hermes`. None so far."""


def goes(since: str) -> str:
    """Give the earliest version that something deprecated since then is not in any more."""
    major, minor, *_ = (int(part) for part in since.split("."))
    return f"{major}.{minor + MINORS}"


def told(what: str, since: str, instead: str) -> str:
    """Say it in one line."""
    mend = f": use {instead}" if instead else ""
    return f"{what} is deprecated since {since} and goes in {goes(since)} at the earliest{mend}"


def warn(what: str, *, since: str, instead: str = "", depth: int = 1) -> None:
    """Warn whoever called what calls this. *depth* is how many calls lie between them."""
    warnings.warn(told(what, since, instead), HermesDeprecation, stacklevel=depth + 2)


def renamed(name: str) -> str:
    """Give the present name of an old one, and warn; empty where there is none."""
    found = RENAMED.get(name)
    if found is None:
        return ""
    warn(f"hermes.{name}", since=found.since, instead=f"hermes.{found.now}", depth=2)
    return found.now
