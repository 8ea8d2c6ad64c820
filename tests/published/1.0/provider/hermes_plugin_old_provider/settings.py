"""The section `old-provider` of config.yaml."""

from __future__ import annotations

import msgspec
from hermes import Secret


class Settings(msgspec.Struct, frozen=True):
    """Where the models are."""

    base_url: str = "http://127.0.0.1:8000/v1"
    """The address up to, not with, /chat/completions."""
    api_key: Secret = Secret("env:OLD_PROVIDER_API_KEY")
    """The key; not set where the server wants none."""
    timeout: float = 120.0
    """Seconds without a byte after which a call has failed."""
