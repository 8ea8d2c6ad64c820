"""The section `old-terminal` of config.yaml."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """What runs commands."""

    shell: str = "bash"
    """A bash: its name on the PATH, or its path."""
