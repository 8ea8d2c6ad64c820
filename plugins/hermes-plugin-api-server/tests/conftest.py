"""A served API over a scripted model: the real server, the real runtime."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from hermes.middleware import Middleware
from hermes.runtime import Runtime
from hermes.store import Store
from hermes.testing import MemoryState, ScriptedProvider, make_context
from hermes.testing.context import FakeContext
from hermes.testing.runtime import open_runtime
from hermes.tools import Tool
from hermes_plugin_api_server.service import APIServer
from hermes_plugin_api_server.settings import APIServerSettings

KEY = "sk-test-0123456789"


@dataclass
class Served:
    """One running server, and clients for it."""

    service: APIServer
    runtime: Runtime
    context: FakeContext
    provider: ScriptedProvider
    client: openai.AsyncOpenAI
    http: httpx2.AsyncClient

    @property
    def url(self) -> str:
        assert self.service.address is not None
        return f"http://127.0.0.1:{self.service.address[1]}"


@asynccontextmanager
async def serving(
    home: Path,
    *answers: Any,
    key: str = KEY,
    store: Store | None = None,
    state: MemoryState | None = None,
    tools: Sequence[Tool] = (),
    middleware: Sequence[Middleware] | None = None,
    drain: float = 2,
    **settings: Any,
) -> AsyncIterator[Served]:
    provider = ScriptedProvider(*answers)
    context = make_context(
        "api-server",
        home=home,
        settings=APIServerSettings(**{"enabled": True, "port": 0, **settings}),
        secrets={"API_SERVER_KEY": key} if key else {},
        state=state,
    )
    service = APIServer(context)
    async with open_runtime(
        home,
        provider=provider,
        store=store,
        tools=tools,
        middleware=middleware,
        settings={"gateway": {"drain": drain}},
        surface="gateway",
    ) as runtime:
        running = asyncio.ensure_future(service.run(runtime))
        listening = asyncio.ensure_future(service.listening.wait())
        await asyncio.wait((running, listening), return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if running.done():
            running.result()
        assert service.address is not None
        url = f"http://127.0.0.1:{service.address[1]}"
        client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key or "none")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with client, httpx2.AsyncClient(base_url=url, headers=headers) as http:
            try:
                yield Served(service, runtime, context, provider, client, http)
            finally:
                await client.close()
                running.cancel()
                await asyncio.wait((running,))


@pytest.fixture
def serve(tmp_path: Path) -> Any:
    """Give `serving` with this test's home."""

    def start(*answers: Any, **options: Any) -> Any:
        return serving(tmp_path, *answers, **options)

    return start
