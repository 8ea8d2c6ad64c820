"""A real gateway over a platform that a test gives: what a platform's author tests a chat with.

platform = FakePlatform()
async with serving(tmp_path, platform, provider=ScriptedProvider("Hello!")):
    platform.say("Hi")
    assert await platform.took(1) == ["Hello!"]
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from hermes.gateway import Gateway
from hermes.middleware import Middleware, Next, Stage
from hermes.platform import Admission, Inbound, Platform
from hermes.provider import Provider
from hermes.store import Store
from hermes.testing.runtime import AllowAll, open_runtime
from hermes.tools import Tool


class LetIn(Middleware):
    """Lets everybody in, as a user of their own; ``stranger`` is refused."""

    stage = Stage.GUARD

    async def receive(self, inbound: Inbound, call_next: Next[Inbound, Admission]) -> Admission:
        if inbound.sender.id == "stranger":
            return Admission("refused", "Who are you?")
        person = f"p{inbound.sender.id}"
        return await call_next(msgspec.structs.replace(inbound, role="user", person=person))


@asynccontextmanager
async def serving(
    home: Path,
    *platforms: Platform,
    provider: Provider,
    store: Store | None = None,
    middleware: Sequence[Middleware] = (),
    tools: Sequence[Tool] = (),
    offers: Mapping[str, Mapping[str, Any]] | None = None,
    **settings: Any,
) -> AsyncIterator[Gateway]:
    """Serve *platforms*, each under its ``name`` (else ``fake``), until the block ends.

    *middleware* stands beside one that grants every tool call and one that lets everybody in;
    *settings* are those of ``gateway:``. Pass the same *store* again to play a restart.
    """
    named = {getattr(platform, "name", "fake"): platform for platform in platforms}
    async with open_runtime(
        home,
        provider=provider,
        store=store,
        tools=tools,
        middleware=[AllowAll(), LetIn(), *middleware],
        settings={"gateway": settings},
        offers={"platforms": named, **(offers or {})},
        surface="gateway",
    ) as runtime:
        gateway = Gateway(runtime)
        task = asyncio.ensure_future(gateway.run())
        try:
            yield gateway
        finally:
            gateway.stop()
            await task
