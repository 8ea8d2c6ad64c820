"""The tool `old-tool`: what the model may ask for."""

from __future__ import annotations

from typing import Annotated

from hermes import READ, TOGETHER, ToolCall, ToolResult, tool

UNITS = {
    "m": ("length", 1.0),
    "cm": ("length", 0.01),
    "km": ("length", 1000.0),
    "in": ("length", 0.0254),
    "ft": ("length", 0.3048),
    "mi": ("length", 1609.344),
    "kg": ("weight", 1.0),
    "g": ("weight", 0.001),
    "oz": ("weight", 0.028349523125),
    "lb": ("weight", 0.45359237),
}
"""What each unit measures, and how many metres or kilograms it is."""


# It changes nothing (READ), needs nothing of the world, touches no file, and may run beside others:
# what a tool leaves unsaid is assumed the worst, and then a person is asked.
@tool(
    name="old-tool",
    effect=READ,
    needs=frozenset(),
    lane=TOGETHER,
    paths=lambda arguments: (),
)
async def convert(
    value: Annotated[float, "How much"],
    unit: Annotated[str, "One of m cm km in ft mi kg g oz lb"],
    to: Annotated[str, "The unit that is wanted"],
    *,
    call: ToolCall,
) -> ToolResult:
    """Convert a length or a weight from one unit into another."""
    for name in (unit, to):
        if name not in UNITS:
            return ToolResult.error(f"There is no unit {name!r}. Known: {', '.join(UNITS)}")
    kind, factor = UNITS[unit]
    other, divisor = UNITS[to]
    if kind != other:
        return ToolResult.error(f"{unit} is a {kind} and {to} a {other}.")
    result = round(value * factor / divisor, call.settings.decimals)
    return ToolResult(f"{value:g} {unit} = {result:g} {to}")
