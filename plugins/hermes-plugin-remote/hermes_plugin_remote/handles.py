"""What is written down of a terminal elsewhere, so that the next Hermes can end what it left."""

from __future__ import annotations

import msgspec


class Handle(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where something of ours may still run, and how it is found there."""

    pattern: str
    """Of its marks."""
    identity: str = ""
    """Of the machine."""
    folder: str = ""
    """Removed with it."""
    place: str = ""
    """The backend's own name of the machine: a sandbox's id."""

    def text(self) -> str:
        """Write it for the registry."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, text: str) -> Handle:
        """Read it. Raises msgspec.ValidationError or DecodeError."""
        return msgspec.json.decode(text, type=cls)
