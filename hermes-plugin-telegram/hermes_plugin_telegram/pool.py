"""The one pool of connections to Telegram, over one TLS context."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from telegram.request import HTTPXRequest

CONNECTIONS = 16
UPLOAD_SECONDS = 120.0


class Pool(HTTPXRequest):
    """Lets a request whose caller was cancelled come to its own end.

    One that is cancelled itself may keep its place among the connections for ever (httpcore 1.0.9);
    sixteen of them, and nothing is sent any more.
    """

    def __init__(self, answer_seconds: float, proxy: str | None, *, tls: bool) -> None:
        context = httpx.create_ssl_context() if tls else False
        limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=50.0)
        super().__init__(
            connect_timeout=answer_seconds,
            read_timeout=answer_seconds,
            write_timeout=answer_seconds,
            pool_timeout=UPLOAD_SECONDS,
            media_write_timeout=UPLOAD_SECONDS,
            proxy=proxy or None,
            httpx_kwargs={"verify": context, "limits": limits},
        )
        self._running: set[asyncio.Task[tuple[int, bytes]]] = set()

    async def do_request(self, *given: Any, **more: Any) -> tuple[int, bytes]:
        task = asyncio.ensure_future(super().do_request(*given, **more))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[tuple[int, bytes]]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be left to hear of it

    async def shutdown(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await super().shutdown()
