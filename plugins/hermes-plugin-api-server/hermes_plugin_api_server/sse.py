"""Answers that take as long as a turn does: one at the end, or server-sent events as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

KEEPALIVE = 15.0
"""Seconds of silence after which a comment shows proxies and clients that the stream lives."""
DONE = b"data: [DONE]\n\n"


def event(data: object, name: str = "") -> bytes:
    """Write one event."""
    head = f"event: {name}\n".encode() if name else b""
    return b"%bdata: %b\n\n" % (head, msgspec.json.encode(data))


class Later:
    """The response that *answer* gives; *gone* is called when the client does not wait for it."""

    def __init__(self, answer: Coroutine[Any, Any, Response], gone: Callable[[], None]) -> None:
        self._answer, self._gone = answer, gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = asyncio.ensure_future(self._answer)
        left = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((answer, left), return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                await answer.result()(scope, receive, send)
            else:
                self._gone()
        finally:
            left.cancel()
            answer.cancel()


class Stream:
    """Server-sent events; *gone* is called when the client leaves before the end."""

    def __init__(
        self,
        events: AsyncIterator[bytes],
        gone: Callable[[], None],
        headers: dict[str, str] | None = None,
    ) -> None:
        self._events, self._gone = events, gone
        more = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache, no-transform",
            "x-accel-buffering": "no",
        }
        headers = {**more, **(headers or {})}
        self._headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
        self._written = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        writing = asyncio.ensure_future(self._write(send))
        left = asyncio.ensure_future(_left(receive))
        try:
            while not writing.done():
                before = self._written
                done, _ = await asyncio.wait(
                    (writing, left), timeout=KEEPALIVE, return_when=asyncio.FIRST_COMPLETED
                )
                if not done and before == self._written:
                    await send(_body(b": keep-alive\n\n"))
                elif left in done and writing not in done:
                    self._gone()
                    return
            writing.result()
        finally:
            left.cancel()
            writing.cancel()

    async def _write(self, send: Send) -> None:
        async for piece in self._events:
            self._written += 1
            await send(_body(piece))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _body(piece: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": piece, "more_body": True}


async def _left(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
