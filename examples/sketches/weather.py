"""A weather tool: one function, and the struct of its settings."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated
from urllib.parse import urlencode
from urllib.request import urlopen

import msgspec

from hermes import READ, TOGETHER, ToolCall, ToolResult, tool


class Settings(msgspec.Struct, frozen=True):
    """Where the weather comes from."""

    url: str = "https://api.open-meteo.com/v1/forecast"
    """A service that answers as Open-Meteo does."""


@tool(effect=READ, needs={"network"}, lane=TOGETHER)
async def forecast(
    latitude: float,
    longitude: float,
    days: Annotated[int, "1 to 16"] = 3,
    *,
    call: ToolCall,
) -> ToolResult:
    """Tell the highest and lowest temperature of the next days at a place."""
    place = {"latitude": latitude, "longitude": longitude, "forecast_days": days}
    query = urlencode({**place, "daily": "temperature_2m_max,temperature_2m_min"})
    try:
        found = await asyncio.to_thread(_get, f"{call.settings.url}?{query}")
    except OSError as error:
        return ToolResult.error(f"The weather service did not answer: {error}")
    rows = zip(found["time"], found["temperature_2m_min"], found["temperature_2m_max"], strict=True)
    return ToolResult(
        "\n".join(f"{day}: {low} to {high} °C" for day, low, high in rows),
        source=call.settings.url,
    )


def _get(url: str) -> dict[str, list[float]]:
    with urlopen(url, timeout=10) as answer:
        daily: dict[str, list[float]] = json.load(answer)["daily"]
        return daily
