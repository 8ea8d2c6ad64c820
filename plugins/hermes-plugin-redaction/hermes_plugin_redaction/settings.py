"""The section ``redaction:``."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is taken for a secret, beside the values that Hermes knows: those never get out."""

    shapes: bool = True
    """Keys and tokens are recognised by what they look like."""
    patterns: tuple[str, ...] = ()
    """Further regular expressions; what matches is hidden."""
