"""The section `old-prompt` of config.yaml."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """Rules of the house."""

    rules: tuple[str, ...] = ()
    """What the model is to keep in mind, a line each."""
