"""The section `old-check` of config.yaml."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """How much room is enough."""

    warn: int = 2_000
    """Megabytes; less is a warning."""
    fail: int = 200
    """Megabytes; less is an error."""
