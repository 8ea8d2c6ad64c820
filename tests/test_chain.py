"""Middleware: order, failing closed, optional ones, and who is blamed (architecture §6)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hermes.chain import Broken, Link, compose, in_order
from hermes.errors import Failed, Failure
from hermes.middleware import Middleware, Stage
from hermes.provider import ModelResponse
from hermes.tools import ToolResult

OK = ToolResult("ok")


class Recording(Middleware):
    def __init__(self, name: str, stage: Stage, heard: list[str]) -> None:
        self.name, self.stage, self.heard = name, stage, heard

    async def tool(self, call: Any, call_next: Any) -> ToolResult:
        self.heard.append(f"{self.name} in")
        result: ToolResult = await call_next(call)
        self.heard.append(f"{self.name} out")
        return result


class RaisesBefore(Middleware):
    async def tool(self, call: Any, call_next: Any) -> ToolResult:
        raise ValueError("before")


class RaisesAfter(Middleware):
    async def tool(self, call: Any, call_next: Any) -> ToolResult:
        await call_next(call)
        raise ValueError("after")


class Exits(Middleware):
    async def tool(self, call: Any, call_next: Any) -> ToolResult:
        raise SystemExit(3)


class ReturnsNothing(Middleware):
    async def tool(self, call: Any, call_next: Any) -> ToolResult:
        await call_next(call)
        return None  # type: ignore[return-value]


class Twice(Middleware):
    async def tool(self, call: Any, call_next: Any) -> ToolResult:
        await call_next(call)
        result: ToolResult = await call_next(call)
        return result

    async def model(self, request: Any, call_next: Any) -> ModelResponse:
        try:
            first: ModelResponse = await call_next(request)
        except Failed:
            first = await call_next(request)
        return first


async def innermost(call: Any) -> ToolResult:
    return OK


def link(middleware: Middleware, *, optional: bool = False, name: str = "it") -> Link:
    return Link("plugin-x", name, middleware, optional)


async def test_the_outermost_stage_comes_first_and_names_break_ties() -> None:
    heard: list[str] = []
    links = [
        link(Recording("wire", Stage.WIRE, heard), name="a"),
        link(Recording("b", Stage.GUARD, heard), name="b"),
        link(Recording("a", Stage.GUARD, heard), name="a"),
    ]
    await compose("tool", links, innermost)(None)
    assert heard == ["a in", "b in", "wire in", "wire out", "b out", "a out"]
    assert [one.name for one in in_order(links)] == ["a", "b", "a"]


@pytest.mark.parametrize(
    "broken", [RaisesBefore(), RaisesAfter(), Exits(), ReturnsNothing(), Twice()]
)
async def test_a_broken_middleware_fails_closed_and_is_named(broken: Middleware) -> None:
    outside = Recording("outside", Stage.GUARD, [])
    with pytest.raises(Broken, match=r"plugin plugin-x: middleware it failed at tool"):
        await compose("tool", [link(outside, name="o"), link(broken)], innermost)(None)


@pytest.mark.parametrize("broken", [RaisesBefore(), RaisesAfter(), Exits(), ReturnsNothing()])
async def test_an_optional_one_is_passed_over_and_the_core_runs_once(broken: Middleware) -> None:
    ran = 0

    async def counting(call: Any) -> ToolResult:
        nonlocal ran
        ran += 1
        return OK

    result = await compose("tool", [link(broken, optional=True)], counting)(None)
    assert (result, ran) == (OK, 1)


async def test_what_the_core_raises_is_not_blamed_on_the_middleware_it_passes() -> None:
    async def failing(call: Any) -> ToolResult:
        raise Failed(Failure("timeout", "late"))

    heard: list[str] = []
    chain = compose("tool", [link(Recording("r", Stage.DEFAULT, heard))], failing)
    with pytest.raises(Failed, match="late"):
        await chain(None)


async def test_only_a_model_call_may_be_made_again() -> None:
    attempts = 0

    async def second_time_lucky(request: Any) -> ModelResponse:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise Failed(Failure("transient", "once"))
        return ModelResponse((), "p:m")

    await compose("model", [link(Twice())], second_time_lucky)(None)
    assert attempts == 2


async def test_a_cancel_goes_through_every_middleware() -> None:
    entered = asyncio.Event()

    async def waiting(call: Any) -> ToolResult:
        entered.set()
        await asyncio.Event().wait()
        return OK

    chain = compose("tool", [link(Recording("r", Stage.DEFAULT, []), optional=True)], waiting)
    task = asyncio.ensure_future(chain(None))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
