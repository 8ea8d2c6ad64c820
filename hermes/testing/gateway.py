"""A real `Gateway` over parts that a test gives: messages in, replies out, durably.

platform = FakePlatform()
async with open_gateway(tmp_path, platform, provider=ScriptedProvider("Hello!")) as gateway:
    platform.say("Hi")
    assert await platform.said(1) == ["Hello!"]
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from hermes.gateway import Gateway
from hermes.middleware import Middleware, Next, Stage
from hermes.platform import Admission, Inbound, Platform
from hermes.session import Role
from hermes.testing.runtime import AllowAll, open_runtime


class LetIn(Middleware):
    """Lets everybody in whom *roles* do not leave out: sender's id to role, or None for nobody."""

    stage = Stage.GUARD

    def __init__(self, roles: Mapping[str, Role | None] | None = None) -> None:
        self.roles = dict(roles or {})

    async def receive(self, inbound: Inbound, call_next: Next[Inbound, Admission]) -> Admission:
        if inbound.vouched:
            return await call_next(inbound)
        role = self.roles.get(inbound.sender.id, "user")
        if role is None:
            return Admission("refused", "Who are you?")
        person = f"p{inbound.sender.id}"
        return await call_next(msgspec.structs.replace(inbound, role=role, person=person))


@asynccontextmanager
async def open_gateway(
    home: Path,
    *platforms: Platform,
    middleware: Iterable[Middleware] | None = None,
    offers: Mapping[str, Mapping[str, Any]] | None = None,
    settings: Mapping[str, Any] | None = None,
    **parts: Any,
) -> AsyncIterator[Gateway]:
    """Serve *platforms*, named by their `name` (``fake`` without), until the block ends.

    *middleware* left out lets everybody in and grants every call. *settings* are those of
    ``gateway:``; *parts* go to `open_runtime` (provider, store, tools).
    """
    named = {getattr(each, "name", "fake"): each for each in platforms}
    given = {"platforms": named, **(offers or {})}
    async with open_runtime(
        home,
        middleware=[AllowAll(), LetIn()] if middleware is None else middleware,
        settings={"gateway": dict(settings or {})},
        offers=given,
        surface="gateway",
        **parts,
    ) as runtime:
        gateway = Gateway(runtime)
        task = asyncio.ensure_future(gateway.run())
        ready = asyncio.ensure_future(gateway.ready.wait())
        await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        try:
            yield gateway
        finally:
            gateway.stop()
            await task
