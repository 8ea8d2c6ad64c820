"""The section `old-platform` of config.yaml."""

from __future__ import annotations

import msgspec
from hermes import Secret


class Settings(msgspec.Struct, frozen=True):
    """Where the chat server is."""

    enabled: bool = True
    """Whether the gateway runs it."""
    host: str = ""
    """The server's name or address; empty leaves the platform out."""
    port: int = 7411
    """The server's port."""
    token: Secret = Secret("env:OLD_PLATFORM_TOKEN")
    """What the server knows us by."""
