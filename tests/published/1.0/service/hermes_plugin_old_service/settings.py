"""The section `old-service` of config.yaml."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """When figures are written."""

    enabled: bool = True
    """Whether it runs with the gateway."""
    seconds: float = 60.0
    """Seconds between two writings."""
