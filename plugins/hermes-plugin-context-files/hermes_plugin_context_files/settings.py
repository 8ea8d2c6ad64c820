"""The section ``context-files:``."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """Which files are read."""

    soul: str = ""
    """Path of the file that says who Hermes is; empty means ``SOUL.md`` in the home folder."""
    max_chars: Annotated[int, msgspec.Meta(ge=200, le=1_000_000)] = 20_000
    """Characters of each file that the prompt takes; of a longer one, head and tail."""
    project: bool = True
    """Whether files of the project (AGENTS.md and its like) are read."""
    personality: str = ""
    """Personality that new conversations begin with; empty for none."""
