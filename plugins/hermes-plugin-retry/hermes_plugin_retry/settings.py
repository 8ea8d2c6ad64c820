"""The section ``retry:``."""

from __future__ import annotations

from typing import Annotated

import msgspec

Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Settings(msgspec.Struct, frozen=True):
    """How often a model call is tried again, and how long it waits. Times are in seconds."""

    retries: Annotated[int, msgspec.Meta(ge=0, le=20)] = 3
    """Tries after the first; 0 switches retrying off."""
    base: Seconds = 2.0
    """Wait before the second try; each further one doubles it."""
    cap: Seconds = 60.0
    """The most that doubling leads to."""
    jitter: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """Part of a wait that is added at random at most, so that many do not come back at once."""
    longest: Seconds = 600.0
    """A vendor that asks for a longer wait than this is not waited for: the call fails at once, and
    so do the next ones until that time is over. A lower value suits a fallback chain."""
    notice: Seconds = 5.0
    """The person is told about a wait longer than this."""
