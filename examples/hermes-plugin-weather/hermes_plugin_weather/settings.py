"""The section `weather` of config.yaml."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """Where, and in which unit."""

    place: str = ""
    """Asked for when none is named."""
    fahrenheit: bool = False
    """Degrees Fahrenheit, not Celsius."""
    url: str = "https://api.open-meteo.com/v1/forecast"
    """The service."""
    geocoding: str = "https://geocoding-api.open-meteo.com/v1/search"
    """Its list of places."""
