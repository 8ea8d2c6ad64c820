"""The tool: what the model may ask for."""

from __future__ import annotations

from typing import Annotated

from hermes import READ, TOGETHER, ToolCall, ToolResult, tool

from hermes_plugin_weather.service import DAYS, tell


@tool(effect=READ, needs={"network"}, lane=TOGETHER, paths=lambda arguments: ())
async def forecast(
    place: Annotated[str, "A town; empty for the person's own"] = "",
    days: Annotated[int, f"1 to {DAYS}"] = 3,
    *,
    call: ToolCall,
) -> ToolResult:
    """Tell the weather of the next days at a place."""
    settings = call.settings
    text = await tell(place or settings.place, days, settings)
    return ToolResult(text, source=settings.url)
