"""How middleware is put together: one wrapper, whatever the point (§6)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, NamedTuple

from hermes.errors import Failed, PluginError, one_line
from hermes.middleware import Middleware, Next
from hermes.platform import Admission
from hermes.provider import ModelResponse
from hermes.tools import ToolResult
from hermes.turn import TurnResult

HELD = "held by plugin "

RESULTS: dict[str, type] = {
    "receive": Admission,
    "turn": TurnResult,
    "model": ModelResponse,
    "tool": ToolResult,
    "deliver": tuple,
}


class Link(NamedTuple):
    """One middleware in the chain."""

    plugin: str
    name: str
    middleware: Middleware
    optional: bool = False


class Broken(PluginError):
    """A middleware raised: the call it stood around fails closed."""


def held_by(late: BaseException) -> str:
    """Say whose middleware a call sat in when its time was over; *late* is the TimeoutError."""
    cancelled = late.__cause__ or late.__context__
    for note in getattr(cancelled, "__notes__", ()):
        if note.startswith(HELD):
            return str(note.removeprefix(HELD))
    return "no middleware"


def in_order(links: Iterable[Link]) -> list[Link]:
    """Outermost first: by stage, then by name."""
    return sorted(links, key=lambda link: (link.middleware.stage, link.name))


def takes_part(link: Link, point: str) -> bool:
    """Whether the middleware overrides *point* at all."""
    return getattr(type(link.middleware), point) is not getattr(Middleware, point)


def compose(point: str, links: Iterable[Link], innermost: Next[Any, Any]) -> Next[Any, Any]:
    """Fold the middleware that takes part in *point* around *innermost*.

    What a middleware raises, other than `Failed` at ``model`` and ``tool``, comes out as `Broken`
    with its name; the optional ones are passed over. `CancelledError` always goes through.
    """
    call = innermost
    for link in reversed(in_order(link for link in links if takes_part(link, point))):
        call = _wrap(point, link, call)
    return call


def _wrap(point: str, link: Link, inner: Next[Any, Any]) -> Next[Any, Any]:
    method = getattr(link.middleware, point)
    expected = RESULTS[point]
    failures_pass = point in ("model", "tool")

    async def step(thing: Any) -> Any:
        results: list[Any] = []
        raised: list[BaseException] = []

        async def call_next(passed: Any) -> Any:
            if (results or raised) and point != "model":
                raise RuntimeError("call_next may be called only once here")
            try:
                results.append(await inner(passed))
            except BaseException as error:
                raised.append(error)
                raise
            return results[-1]

        try:
            result = await method(thing, call_next)
            if isinstance(result, expected):
                return result
            raise TypeError(f"{point} returned {type(result).__name__}, not {expected.__name__}")
        except asyncio.CancelledError as cancelled:
            if cancelled not in raised:  # it came while this middleware itself was waiting
                cancelled.add_note(f"{HELD}{link.plugin}")
            raise
        except Failed as failed:
            if failures_pass or failed in raised:
                raise
            error: BaseException = failed
        except (Exception, SystemExit) as caught:
            if caught in raised:
                raise
            error = caught
        if link.optional:
            if results:
                return results[-1]
            if raised:
                raise raised[-1]
            return await inner(thing)
        raise Broken(
            link.plugin, f"middleware {link.name} failed at {point}: {one_line(error)}"
        ) from (error)

    return step
