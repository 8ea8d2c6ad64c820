"""Tools from signatures: schema, lax conversion, errors a model can act on (architecture §8)."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest

from hermes.tools import (
    ALONE,
    READ,
    TOGETHER,
    Effect,
    Lane,
    ToolCall,
    arguments_struct,
    result,
    tool,
)


@tool(effect=READ, needs={"network"}, lane=lambda arguments: Lane(arguments["city"], shared=True))
async def forecast(
    city: Annotated[str, "City name"],
    days: int = 3,
    unit: Literal["c", "f"] = "c",
    *,
    call: ToolCall,
) -> str:
    """Tell the weather
    of the next days.

    Not for the model.
    """
    return f"{city} {days} {unit}"


def test_the_schema_comes_from_the_signature() -> None:
    assert forecast.spec.description == "Tell the weather of the next days."
    assert json.loads(forecast.spec.parameters) == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "City name"},
            "days": {"type": "integer", "default": 3},
            "unit": {"enum": ["c", "f"], "default": "c"},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_what_a_tool_leaves_unsaid_is_assumed_the_worst() -> None:
    @tool
    async def act(n: int) -> str:
        """Act."""
        return ""

    assert act.effect is Effect.ONCE
    assert act.needs >= {"read", "write", "run", "network", "send", "spend", "configure"}
    assert act.lane({"n": 1}) == ALONE


@pytest.mark.parametrize(
    ("one", "other", "excludes"),
    [
        (ALONE, TOGETHER, True),
        (TOGETHER, TOGETHER, False),
        (Lane("a"), Lane("a"), True),
        (Lane("a"), Lane("b"), False),
        (Lane("a", shared=True), Lane("a", shared=True), False),
        (Lane("a", shared=True), Lane("a"), True),
        (Lane("*", shared=True), Lane("a"), True),
        (Lane("*", shared=True), Lane("a", shared=True), False),
    ],
)
def test_which_calls_must_not_overlap(one: Lane, other: Lane, excludes: bool) -> None:
    assert one.excludes(other) is other.excludes(one) is excludes


def test_a_signature_without_a_json_form_is_refused_by_name() -> None:
    async def many(*names: str) -> str:
        return ""

    async def untyped(name) -> str:  # type: ignore[no-untyped-def]
        return ""

    with pytest.raises(TypeError, match="names has no JSON form"):
        arguments_struct(many)
    with pytest.raises(TypeError, match="name has no type"):
        arguments_struct(untyped)


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (None, ""), ({"a": 1}, '{"a":1}'), ([1, "b"], '[1,"b"]')]
)
def test_what_a_tool_returns_becomes_text(value: Any, text: str) -> None:
    assert result(value).text == text
