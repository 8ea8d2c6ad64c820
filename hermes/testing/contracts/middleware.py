"""What every `Middleware` must do, wherever it stands (architecture §6)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from hermes.context import PluginContext
from hermes.errors import Failed, Failure
from hermes.messages import Text
from hermes.middleware import POINTS, Middleware, Stage
from hermes.platform import Admission, Inbound, Outgoing, Part
from hermes.provider import ModelRequest, ModelResponse
from hermes.resource import Resource
from hermes.testing import make
from hermes.testing.pytest_plugin import MakeContext
from hermes.tools import ToolCall, ToolResult
from hermes.turn import Turn, TurnResult

RESULTS: dict[str, type] = {
    "receive": Admission,
    "turn": TurnResult,
    "model": ModelResponse,
    "tool": ToolResult,
    "deliver": tuple,
}
TABLE_LIMIT = 1024
"""Entries that a table of sessions may have in memory (what is lost of it must be harmless)."""

CallNext = Callable[[Any], Awaitable[Any]]


class BugBeneathError(Exception):
    """What a broken plugin further in raises."""


class MiddlewareContract:
    """Subclass and give the fixture `middleware`.

    The things that pass through it are made by `inbound`, `turn`, `request`, `call` and
    `outgoing`, each with a number that stands in its text; override one where the middleware would
    let none of the default through.
    """

    patience: float = 5.0
    """Seconds that stopping and closing may take."""

    @pytest.fixture
    def middleware(self) -> Middleware:
        """Give the object under test, created and not yet opened."""
        raise NotImplementedError("the suite needs a fixture `middleware`")

    @pytest.fixture(autouse=True)
    def _context(self, plugin_context: MakeContext) -> None:
        self.tool_context: PluginContext = plugin_context("kit")

    def inbound(self, number: int) -> Inbound:
        return make.make_inbound(mark(number), key=make.make_key(f"chat-{number}"))

    def turn(self, number: int) -> Turn:
        return make.make_turn(mark(number), session=make.make_session(f"session-{number}"))

    def request(self, number: int) -> ModelRequest:
        return make.make_request(mark(number), session=f"session-{number}")

    def call(self, number: int) -> ToolCall:
        return make.make_call(
            make.make_tool(),
            {"text": mark(number)},
            context=self.tool_context,
            session=make.make_session(f"session-{number}"),
            ask=make.Asker("once"),
        )

    def outgoing(self, number: int) -> Outgoing:
        return make.make_outgoing(mark(number), key=make.make_key(f"chat-{number}"))

    def thing(self, point: str, number: int) -> Any:
        """Make what passes *point*."""
        makers = {"receive": self.inbound, "model": self.request, "tool": self.call,
                  "deliver": self.outgoing, "turn": self.turn}  # fmt: skip
        return makers[point](number)

    def test_its_stage_is_one_of_the_known(self, middleware: Middleware) -> None:
        assert isinstance(middleware.stage, Stage)

    def test_it_overrides_points_that_exist_in_their_shape(self, middleware: Middleware) -> None:
        points = overridden(middleware)
        assert points, f"it overrides none of {', '.join(POINTS)}: is one misspelt?"
        for name, method in own_methods(middleware):
            shaped = "call_next" in inspect.signature(method).parameters
            assert name in POINTS or not shaped, f"{name} is no point: {', '.join(POINTS)}"
        for point in points:
            method = getattr(type(middleware), point)
            assert inspect.iscoroutinefunction(method), f"{point} must be `async def`"
            taken = list(inspect.signature(method).parameters.values())
            assert len(taken) == 3, f"{point} takes (self, thing, call_next)"

    async def test_something_passes(self, middleware: Middleware) -> None:
        """Else the rest of the suite shows nothing: override the maker of what is refused."""
        async with opened(middleware):
            for point in overridden(middleware):
                inner = Inner(point)
                await run(middleware, point, self.thing(point, 1), inner)
                assert inner.passed, f"{point} let nothing through: override `{point}`'s maker"

    async def test_it_calls_on_at_most_once(self, middleware: Middleware) -> None:
        async with opened(middleware):
            for point in overridden(middleware):
                inner = Inner(point)
                await run(middleware, point, self.thing(point, 1), inner)
                assert point == "model" or len(inner.passed) <= 1, f"{point} called on twice"

    async def test_it_gives_back_and_passes_on_what_the_point_is_about(
        self, middleware: Middleware
    ) -> None:
        async with opened(middleware):
            for point in overridden(middleware):
                inner, thing = Inner(point), self.thing(point, 1)
                result = await run(middleware, point, thing, inner)
                assert isinstance(result, RESULTS[point]), f"{point} gave {type(result).__name__}"
                for passed in inner.passed:
                    assert isinstance(passed, type(thing)), f"{point} passed on {passed!r}"

    async def test_it_changes_a_copy_never_what_it_was_given(self, middleware: Middleware) -> None:
        async with opened(middleware):
            for point in overridden(middleware):
                thing = self.thing(point, 1)
                before = fields_of(thing)
                await run(middleware, point, thing, Inner(point))
                assert fields_of(thing) == before, f"{point} changed its argument: use replace()"

    async def test_a_cancelled_call_stays_cancelled(self, middleware: Middleware) -> None:
        async with opened(middleware):
            for point in overridden(middleware):
                reached = asyncio.Event()

                async def wait_for_ever(thing: Any, reached: asyncio.Event = reached) -> Any:
                    reached.set()
                    await asyncio.Event().wait()

                task = asyncio.ensure_future(
                    run(middleware, point, self.thing(point, 1), wait_for_ever)
                )
                async with asyncio.timeout(self.patience):
                    await reached.wait()
                task.cancel()
                done, _ = await asyncio.wait([task], timeout=self.patience)
                assert done, f"{point} goes on after it was cancelled"
                assert task.cancelled(), f"{point} swallowed the cancellation"

    async def test_an_expected_failure_stays_one(self, middleware: Middleware) -> None:
        """`Failed` travels on, or becomes a result; it never turns into another exception."""
        for point in {"model", "tool"} & set(overridden(middleware)):
            async with opened(middleware):
                inner = Inner(point, Failed(Failure("bad_request", "no such model", source="kit")))
                try:
                    result = await run(middleware, point, self.thing(point, 1), inner)
                except Failed:
                    continue
                assert isinstance(result, RESULTS[point])

    async def test_a_bug_beneath_it_is_not_hidden(self, middleware: Middleware) -> None:
        async with opened(middleware):
            for point in overridden(middleware):
                inner = Inner(point, BugBeneathError("a plugin further in is broken"))
                with pytest.raises(BugBeneathError):
                    await run(middleware, point, self.thing(point, 1), inner)

    async def test_what_runs_at_the_same_time_does_not_mix(self, middleware: Middleware) -> None:
        async with opened(middleware):
            for point in overridden(middleware):
                await asyncio.gather(*(self._alone(middleware, point, n) for n in range(20)))

    async def _alone(self, middleware: Middleware, point: str, number: int) -> None:
        inner = Inner(point, pauses=1 + number % 5, marks=mark(number))
        result = await run(middleware, point, self.thing(point, number), inner)
        for thing in (result, *map(fields_of, inner.passed)):
            others = {mark(other) for other in range(20) if other != number}
            seen = {other for other in others if other in repr(thing)}
            assert not seen, f"{point} gave {mark(number)} what belongs to {seen}"

    async def test_what_it_remembers_is_bounded(self, middleware: Middleware) -> None:
        async with opened(middleware):
            for point in overridden(middleware):
                for number in range(TABLE_LIMIT + 200):
                    await run(middleware, point, self.thing(point, number), Inner(point))
        for name, table in tables(middleware):
            assert len(table) <= TABLE_LIMIT, f"{name} grows with every session: {len(table)}"

    async def test_it_closes_what_it_opened(self, middleware: Middleware) -> None:
        before = asyncio.all_tasks()
        await middleware.open()
        for point in overridden(middleware):
            await run(middleware, point, self.thing(point, 1), Inner(point))
        async with asyncio.timeout(self.patience):
            await middleware.close()
        left = {task for task in asyncio.all_tasks() - before if not task.done()}
        assert not left, f"tasks left running: {left}"


class Inner:
    """The rest of the chain: notes what came, and answers, or raises *error*."""

    def __init__(
        self, point: str, error: Exception | None = None, *, pauses: int = 1, marks: str = "done"
    ) -> None:
        self.point, self.error, self.pauses, self.marks = point, error, pauses, marks
        self.passed: list[Any] = []

    async def __call__(self, thing: Any) -> Any:
        self.passed.append(thing)
        for _ in range(self.pauses):
            await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        match self.point:
            case "receive":
                return Admission("admitted", self.marks)
            case "turn":
                return TurnResult("ok", self.marks, model="fake:model", steps=1)
            case "model":
                return ModelResponse((Text(self.marks),), thing.spec.model)
            case "tool":
                return ToolResult(self.marks)
        return (Part(thing.key, self.marks),)


class opened:  # noqa: N801 - reads as the word it is in `async with opened(…)`
    """Open a resource and close it in the same task."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource

    async def __aenter__(self) -> None:
        await self.resource.open()

    async def __aexit__(self, *exc: object) -> None:
        await self.resource.close()


def mark(number: int) -> str:
    """Give a text that is part of no other number's."""
    return f"<{number}>"


async def run(middleware: Middleware, point: str, thing: Any, inner: CallNext) -> Any:
    """Send *thing* through *point*."""
    return await getattr(middleware, point)(thing, inner)


def overridden(middleware: Middleware) -> list[str]:
    """Name the points at which the middleware does anything."""
    return [p for p in POINTS if getattr(type(middleware), p) is not getattr(Middleware, p)]


def own_methods(middleware: Middleware) -> list[tuple[str, Any]]:
    """List the public methods that are its own."""
    return [
        (name, method)
        for name, method in inspect.getmembers(type(middleware), inspect.isfunction)
        if not name.startswith("_") and method is not getattr(Middleware, name, None)
    ]


def fields_of(thing: Any) -> dict[str, Any]:
    """Give what *thing* holds: by value where it is frozen data, else the very objects."""
    names = getattr(type(thing), "__struct_fields__", None) or type(thing).__slots__
    hidden = {"batch", "_chunks"}  # shared scratch space, meant to be written to
    return {name: getattr(thing, name) for name in names if name not in hidden}


def tables(middleware: object, depth: int = 2) -> Iterator[tuple[str, Any]]:
    """Find the containers that an object holds, by itself or in objects of its own module."""
    held = dict(getattr(middleware, "__dict__", {}))
    for kind in type(middleware).__mro__:
        for slot in getattr(kind, "__slots__", ()):
            if hasattr(middleware, slot):
                held[slot] = getattr(middleware, slot)
    for name, value in held.items():
        if isinstance(value, PluginContext):
            continue
        if hasattr(value, "__len__") and not isinstance(value, (str, bytes)):
            yield name, value
        elif depth and type(value).__module__ == type(middleware).__module__:
            yield from tables(value, depth - 1)
