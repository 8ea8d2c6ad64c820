"""The section `old-middleware` of config.yaml."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """Turns a minute."""

    turns: int = 20
    """Turns that one conversation may have in a minute."""
