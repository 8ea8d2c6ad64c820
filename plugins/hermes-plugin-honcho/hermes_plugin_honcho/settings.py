"""The section ``honcho:``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from hermes import Secret


class Settings(msgspec.Struct, frozen=True):
    """Which Honcho, and what of it."""

    base_url: str = "https://api.honcho.dev"
    """Where it is."""
    api_key: Secret = Secret("env:HONCHO_API_KEY")
    """From app.honcho.dev; a Honcho of one's own may need none."""
    workspace: str = "hermes"
    """Honcho keeps what it knows by workspace."""
    ai_peer: str = "hermes"
    """What Hermes itself is called there."""
    recall: Literal["hybrid", "context", "tools"] = "hybrid"
    """Beside each message (context), when the model asks (tools), or both."""
    conclusions: Annotated[int, msgspec.Meta(ge=1, le=100)] = 8
    """Conclusions beside a message, at most."""
    timeout: Annotated[float, msgspec.Meta(gt=0, le=300)] = 30
    """Seconds that Honcho has for anything but recall."""
