"""Webhooks as a platform: what arrives is a message of a route, its answer goes where that says.

It is a platform and not a service because it wants what platforms have: a durable inbox that drops
repeats, turns that go on after a crash, answers that wait until they are taken.
"""

from __future__ import annotations

import asyncio
import time

from hermes import (
    Authority,
    Failed,
    Failure,
    Inbound,
    Inbox,
    Part,
    Platform,
    PlatformHealth,
    PlatformLimits,
    PluginContext,
    Receipt,
    is_loopback,
    knock,
    listen,
    serve_http,
)
from hermes_plugin_webhook.routes import PLATFORM, ActiveRoute
from hermes_plugin_webhook.settings import WebhookSettings

LOGGED = 100_000
"""Characters of an answer that goes to the log."""
GRACE = 5.0


class WebhookPlatform(Platform):
    """Takes in events of other services over HTTP."""

    limits = PlatformLimits(length=LOGGED)

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._settings: WebhookSettings = context.settings
        limit = self._settings.rate_limit
        named = self._settings.routes.items()
        self.routes = {name: ActiveRoute(name, it, rate_limit=limit) for name, it in named}
        self.address: tuple[str, int] | None = None
        """Where it listens."""
        self.listening = asyncio.Event()
        self._received = self._sent = 0

    def missing(self) -> str:
        """Say what is wrong with the routes: one that is not what its owner means is not served."""
        if not self.routes:
            return "no routes: add one below webhook.routes"
        for name, active in self.routes.items():
            if problem := active.problem():
                return f"webhook.routes.{name}: {problem}"
            if self._context.secrets.get(active.route.secret or self._settings.secret):
                continue
            at = (active.route.secret or self._settings.secret).reference
            how = f"put {at.removeprefix('env:')}=… into .env" if at.startswith("env:") else at
            return f"webhook.routes.{name} has no secret: {how} (openssl rand -hex 32 makes one)"
        return ""

    async def run(self, inbox: Inbox) -> None:
        from hermes_plugin_webhook.server import Webhooks  # noqa: PLC0415 - starlette, 60 ms

        missing = self.missing()
        if missing:
            raise Failed(Failure("auth", missing, source=PLATFORM))

        async def keep(message: Inbound) -> None:
            await inbox.put((message,))
            self._received += 1

        host, port = self._settings.host, self._settings.port
        listener = listen(host, port, PLATFORM)
        if not is_loopback(host):
            self._context.log.info("webhooks can be reached by others", host=host)
        self.address = listener.getsockname()[:2]
        self.listening.set()
        try:
            app = Webhooks(self._context, self.routes, keep).application()
            await serve_http(app, listener, grace=GRACE)
        finally:
            self.listening.clear()
            listener.close()

    async def send(self, part: Part) -> Receipt:
        """Log the answer of a route that delivers nowhere else; the journal has it too."""
        if part.edits:
            raise Failed(Failure("bad_request", "what was logged stays as it is", source=PLATFORM))
        if len(part.text) > LOGGED:
            raise Failed(Failure("bad_request", "longer than an answer may be", source=PLATFORM))
        self._sent += 1
        self._context.log.info(
            "answer to a webhook", route=part.key.chat, text=part.text, delivery=part.key.thread
        )
        return Receipt(f"logged-{self._sent}")

    def vouch(self, inbound: Inbound) -> Authority | None:
        """Vouch for what a route that is configured now took in."""
        active = self.routes.get(inbound.key.chat)
        return active.authority() if active is not None else None

    async def probe(self) -> str:
        if self.address is None or not self.listening.is_set():
            raise Failed(Failure("transient", "it does not listen", source=PLATFORM))
        return f"{await knock(self.address)}, {len(self.routes)} routes"

    def health(self) -> PlatformHealth | None:
        heard = time.time_ns() // 1000 if self.listening.is_set() else 0
        return PlatformHealth(heard=heard, received=self._received, sent=self._sent)
