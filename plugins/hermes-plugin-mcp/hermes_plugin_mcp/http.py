"""A server over HTTP: the SDK's transports, on a client that sees what they do not pass on."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx2
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from hermes_plugin_mcp.plan import Plan


async def http_transport(
    plan: Plan, stack: AsyncExitStack, *, limit: int, status: Callable[[int], None]
) -> Any:
    """Make the transport of one `mcp.Client`. *status* hears of each answer that is an error."""
    client = await asyncio.to_thread(_client, plan, status)  # reads the certificates
    if not plan.sse:
        await stack.enter_async_context(client)
        return streamable_http_client(plan.url, http_client=client, max_sse_event_size=limit)

    def ready_made(headers: Any = None, timeout: Any = None, auth: Any = None) -> Any:
        return client

    return sse_client(plan.url, sse_read_timeout=math.inf, httpx_client_factory=ready_made)


def _client(plan: Plan, status: Callable[[int], None]) -> httpx2.AsyncClient:
    """Make a client whose reads have no limit of their own: each of our requests has one."""

    async def look(response: httpx2.Response) -> None:
        if response.status_code >= 400:
            status(response.status_code)

    return httpx2.AsyncClient(
        headers=plan.headers,
        timeout=httpx2.Timeout(30.0, read=None),
        event_hooks={"response": [look]},
        trust_env=not _loopback(plan.url),  # no proxy leads to this machine
    )


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
