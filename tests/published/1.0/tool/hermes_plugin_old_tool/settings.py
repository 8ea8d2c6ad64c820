"""The section `old-tool` of config.yaml."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """How results are written."""

    decimals: int = 3
    """Digits after the point."""
