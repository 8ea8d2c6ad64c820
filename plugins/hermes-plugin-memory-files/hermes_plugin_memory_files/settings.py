"""The section ``memory-files:``."""

from __future__ import annotations

from typing import Annotated

import msgspec

Characters = Annotated[int, msgspec.Meta(ge=100, le=100_000)]


class Settings(msgspec.Struct, frozen=True):
    """How much is remembered, and how much of it a turn gets."""

    memory_char_limit: Characters = 2200
    """Characters of MEMORY.md, and of each project's file, as in Hermes Agent."""
    user_char_limit: Characters = 1375
    """Characters of USER.md."""
    recall_char_limit: Characters = 1200
    """Characters of memories beside one message."""
    recall_entries: Annotated[int, msgspec.Meta(ge=0, le=100)] = 10
    """How many memories stand beside one message."""
