"""Middleware: one class, five points, one shape (§6).

Each point is ``async (thing, call_next) -> result``: do something, call on, do something with what
comes back. It reads as what it does, and nothing leaks when the task is cancelled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import TypeAlias, TypeVar

from hermes.platform import Admission, Inbound, Outgoing, Part
from hermes.provider import ModelRequest, ModelResponse
from hermes.resource import Resource
from hermes.tools import ToolCall, ToolResult
from hermes.turn import Turn, TurnResult

A = TypeVar("A")
R = TypeVar("R")
Next: TypeAlias = Callable[[A], Awaitable[R]]
"""The rest of the chain: takes the thing (changed or not), gives the result."""


class Stage(IntEnum):
    """Where in the chain a middleware stands, outermost first; then by name."""

    GUARD = 10
    """May refuse."""
    BOOKKEEPING = 20
    """Sees each request once."""
    DEFAULT = 30
    REPAIR = 40
    """Changes a request so that it can succeed."""
    REROUTE = 50
    """Sends it elsewhere."""
    RETRY = 60
    METER = 70
    """Sees every attempt."""
    WIRE = 80
    """Last touch."""


class Middleware(Resource):
    """Override any point. One instance per process.

    ``call_next`` may be called a second time only at `model`; elsewhere that raises. Inside `model`
    and `tool` an expected failure is raised as `Failed`. Anything else raised is a bug of the
    middleware it first left: the call then *fails closed* and names the plugin.
    """

    stage: Stage = Stage.DEFAULT

    async def receive(self, inbound: Inbound, call_next: Next[Inbound, Admission]) -> Admission:
        """A message came in: let it pass, change it, or refuse it with a notice."""
        return await call_next(inbound)

    async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
        """A turn runs. Results are values; commands do not pass here."""
        return await call_next(turn)

    async def model(
        self, request: ModelRequest, call_next: Next[ModelRequest, ModelResponse]
    ) -> ModelResponse:
        """The model is called, for a turn or beside it."""
        return await call_next(request)

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        """A tool is called. Without a grant from here it does not run (§10)."""
        return await call_next(call)

    async def deliver(
        self, outgoing: Outgoing, call_next: Next[Outgoing, tuple[Part, ...]]
    ) -> tuple[Part, ...]:
        """A reply becomes parts that are ready to send."""
        return await call_next(outgoing)


POINTS = ("receive", "turn", "model", "tool", "deliver")
