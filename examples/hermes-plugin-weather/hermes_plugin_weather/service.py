"""What Open-Meteo is asked, and what it answers.

The library of the standard library does: there is one question at a time, and no key to protect.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from hermes import HermesError

from hermes_plugin_weather.settings import Settings

SECONDS = 10.0
DAYS = 16
"""The farthest that the service looks ahead."""


class WeatherError(HermesError):
    """The service did not tell: says why, in one line."""


async def tell(place: str, days: int, settings: Settings) -> str:
    """Tell the weather at *place* on the next *days* (1 to 16), a line each.

    Raises WeatherError for a place that nobody knows, and where the service does not answer.
    """
    if not place:
        raise WeatherError("which place? (weather.place names the one that is meant otherwise)")
    if not 1 <= days <= DAYS:
        raise WeatherError(f"the service looks 1 to {DAYS} days ahead, not {days}")
    found = (await _get(settings.geocoding, name=place, count=1)).get("results")
    if not found:
        raise WeatherError(f"there is no place called {place!r}")
    where = found[0]
    answer = await _get(
        settings.url,
        latitude=where["latitude"],
        longitude=where["longitude"],
        forecast_days=days,
        timezone="auto",
        temperature_unit="fahrenheit" if settings.fahrenheit else "celsius",
        daily="temperature_2m_min,temperature_2m_max,precipitation_sum",
    )
    daily, unit = answer["daily"], "°F" if settings.fahrenheit else "°C"
    keys = ("time", "temperature_2m_min", "temperature_2m_max", "precipitation_sum")
    lines = [
        f"{day}: {low:g} to {high:g} {unit}, {rain:g} mm"
        for day, low, high, rain in zip(*(daily[key] for key in keys), strict=True)
    ]
    return "\n".join([f"{where['name']}, {where.get('country', '')}".rstrip(", "), *lines])


async def _get(url: str, **asked: Any) -> dict[str, Any]:
    try:
        return await asyncio.to_thread(_read, f"{url}?{urlencode(asked)}")
    except (OSError, ValueError) as error:
        raise WeatherError(f"the weather service did not answer: {error}") from None


def _read(url: str) -> dict[str, Any]:
    with urlopen(url, timeout=SECONDS) as answer:
        read: dict[str, Any] = json.load(answer)
        return read
