"""Whose words the model had read when it asked for something."""

from __future__ import annotations

from collections.abc import Iterable

TRUSTED = ("file:", "terminal:", "tool:")
"""Kinds of sources of the person's own machine. What is in a file somebody else may have written,
so it still cannot allow anything; but it is where the person sent the model to work."""


def untrusted(sources: Iterable[str]) -> tuple[str, ...]:
    """Give those of *sources* that are somebody else's."""
    return tuple(source for source in sources if not source.startswith(TRUSTED))
