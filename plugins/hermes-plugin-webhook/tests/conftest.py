"""A gateway with webhooks, and a service that sends them."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from hermes.gateway import Gateway
from hermes.middleware import Middleware
from hermes.testing import (
    AllowAll,
    FakePlatform,
    LetIn,
    MemoryState,
    MemoryStore,
    ScriptedProvider,
    make_context,
    open_gateway,
)
from hermes.testing.context import FakeContext
from hermes_plugin_webhook.platform import WebhookPlatform
from hermes_plugin_webhook.settings import WebhookSettings

SECRET = "it's a secret between us"


def github(body: bytes, secret: str = SECRET, **headers: str) -> dict[str, str]:
    """Sign as GitHub does."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"x-hub-signature-256": f"sha256={digest}", "x-github-event": "push", **named}


@dataclass
class Served:
    """A gateway that serves webhooks beside a chat."""

    gateway: Gateway
    webhook: WebhookPlatform
    context: FakeContext
    chat: FakePlatform
    provider: ScriptedProvider
    store: MemoryStore
    http: httpx2.AsyncClient

    async def post(self, path: str, payload: Any, headers: Any = None) -> httpx2.Response:
        """Send *payload*, signed as GitHub does where *headers* do not say otherwise."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        given = headers(body) if callable(headers) else headers
        given = github(body) if given is None else given
        return await self.http.post(f"/webhooks/{path}", content=body, headers=given)

    @property
    def logged(self) -> list[str]:
        """Answers that went to the log."""
        entries = self.context.log.entries
        return [str(e.fields["text"]) for e in entries if e.event == "answer to a webhook"]


@asynccontextmanager
async def serving(
    home: Path,
    *answers: Any,
    routes: dict[str, Any],
    store: MemoryStore | None = None,
    state: MemoryState | None = None,
    middleware: list[Middleware] | None = None,
    gateway: dict[str, Any] | None = None,
    secrets: dict[str, str] | None = None,
    parts: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Served]:
    given = {"enabled": True, "port": 0, "routes": routes, **settings}
    context = make_context(
        "webhook",
        home=home,
        settings=msgspec.convert(given, WebhookSettings, dec_hook=decode_hook),
        secrets={"WEBHOOK_SECRET": SECRET} if secrets is None else secrets,
        state=state,
    )
    webhook = WebhookPlatform(context)
    webhook.name = "webhook"  # type: ignore[attr-defined]
    chat, provider = FakePlatform(name="chat"), ScriptedProvider(*answers)
    store = store or MemoryStore()
    async with open_gateway(
        home,
        webhook,
        chat,
        provider=provider,
        store=store,
        settings=gateway,
        middleware=[AllowAll(), LetIn({"1": "owner"})] if middleware is None else middleware,
        **(parts or {}),
    ) as served:
        await webhook.listening.wait()
        assert webhook.address is not None
        base = f"http://127.0.0.1:{webhook.address[1]}"
        async with httpx2.AsyncClient(base_url=base) as http:
            yield Served(served, webhook, context, chat, provider, store, http)


def decode_hook(kind: type, value: Any) -> Any:
    from hermes.settings import decode_hook as decode

    return decode(kind, value)


@pytest.fixture
def serve(tmp_path: Path) -> Any:
    """Give ``serve(*answers, routes=…)``."""

    def made(*answers: Any, **options: Any) -> Any:
        return serving(tmp_path, *answers, **options)

    return made


@pytest.fixture
def sign() -> Any:
    return github
