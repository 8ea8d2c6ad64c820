"""The contracts, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from hermes import Platform, SessionKey
from hermes.testing import MemoryInbox, PlatformContract, PluginContract, make_context
from hermes_plugin_webhook.platform import WebhookPlatform
from hermes_plugin_webhook.settings import Route, WebhookSettings

SECRET = {"WEBHOOK_SECRET": "s"}


class TestWebhookPlatform(PlatformContract):
    """The far side is a service that tries each event, in order, until it is taken."""

    @pytest.fixture
    async def platform(self, home: Any) -> AsyncIterator[Platform]:
        route = Route(prompt="{text}", deliver_only=True, deliver="chat:1")
        settings = WebhookSettings(enabled=True, port=0, routes={"r": route}, rate_limit=1000)
        self.context = make_context("webhook", home=home, settings=settings, secrets=dict(SECRET))
        self.waiting: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        made = WebhookPlatform(self.context)
        self.sender = asyncio.ensure_future(self._send(made))
        yield made
        self.sender.cancel()

    async def _send(self, platform: WebhookPlatform) -> None:
        async with httpx2.AsyncClient() as http:
            while True:
                text, id = await self.waiting.get()
                while not await self._tried(http, platform, text, id):
                    await asyncio.sleep(0.02)

    async def _tried(self, http: Any, platform: WebhookPlatform, text: str, id: str) -> bool:
        if not platform.listening.is_set() or platform.address is None:
            return False
        url = f"http://127.0.0.1:{platform.address[1]}/webhooks/r"
        headers = {"x-gitlab-token": SECRET["WEBHOOK_SECRET"], "idempotency-key": id}
        try:
            answer = await http.post(url, json={"text": text}, headers=headers)
        except httpx2.HTTPError:
            return False
        return bool(answer.is_success)

    def say(self, platform: Platform, text: str, id: str) -> None:
        self.waiting.put_nowait((text, id))

    def shown(self, platform: Platform) -> list[str]:
        entries = self.context.log.entries
        return [str(e.fields["text"]) for e in entries if e.event == "answer to a webhook"]

    def revoke(self, platform: Platform) -> None:
        self.context.secrets.values.clear()

    def key(self, platform: Platform) -> SessionKey:
        return SessionKey("webhook", "r")

    async def test_bad_credentials_are_an_authentication_failure(self, opened: Platform) -> None:
        """We show no credentials; without its secret a route is not served."""
        self.revoke(opened)
        with pytest.raises(Exception, match=r"routes\.r has no secret") as raised:
            await opened.run(MemoryInbox())
        assert raised.value.failure.kind == "auth"  # type: ignore[attr-defined]


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-webhook"
