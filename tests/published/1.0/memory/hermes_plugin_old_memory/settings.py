"""The section `old-memory` of config.yaml."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """How much is remembered."""

    lines: int = 5
    """How many lines are recalled at most."""
    kept: int = 2_000
    """How many lines are kept of a person; the oldest go first."""
