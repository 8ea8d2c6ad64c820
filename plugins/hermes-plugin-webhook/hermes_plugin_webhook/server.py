"""The HTTP side: ``POST /webhooks/NAME`` and ``GET /health``, and nothing else.

An event is kept in the journal before its sender is told 202: from then on it has its end, whatever
happens here. What arrives without a good signature reaches nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route as Path

from hermes import HermesError, Inbound, Log, PluginContext, one_line
from hermes_plugin_webhook.routes import ActiveRoute, Bad, Event
from hermes_plugin_webhook.settings import WebhookSettings
from hermes_plugin_webhook.signatures import Refused, verify

Keep = Callable[[Inbound], Awaitable[None]]
"""Puts a message into the inbox; durable when it returns."""


class Webhooks:
    """Answers requests."""

    def __init__(self, context: PluginContext, routes: dict[str, ActiveRoute], keep: Keep) -> None:
        self._context = context
        self._settings: WebhookSettings = context.settings
        self._log: Log = context.log
        self._routes = routes
        self._keep = keep

    def application(self) -> Starlette:
        """Make the ASGI application."""
        return Starlette(
            routes=[
                Path("/health", self.health, methods=["GET"]),
                Path("/webhooks/{name}", self.receive, methods=["POST"]),
            ],
        )

    async def health(self, request: Request) -> Response:
        """Say that it lives, to anybody, and nothing else."""
        return answer(200, "ok", platform="webhook")

    async def receive(self, request: Request) -> Response:
        """Take in one event."""
        route = self._routes.get(request.path_params["name"])
        if route is None:
            return answer(404, "unknown", error="there is no such route")
        try:
            body = await self._body(request)
            proof = verify(
                route.route.signature,
                request.headers,
                body,
                self._secret(route),
                now=time.time(),
                tolerance=self._settings.tolerance,
            )
        except TooLarge:
            limit = self._settings.max_body_bytes
            return answer(413, "refused", error=f"a body may have {limit} bytes")
        except ClientDisconnect:
            return answer(400, "refused", error="the body did not come")
        except Refused as refused:
            self._log.warning("a webhook was refused", route=route.name, why=str(refused))
            return answer(401, "refused", error=str(refused))
        if wait := route.wait():
            return answer(429, "busy", {"retry-after": str(int(wait) + 1)}, error="too many events")
        try:
            event = route.read(request.headers, body, proof)
            return await self._take(route, event)
        except Bad as bad:
            return answer(400, "refused", error=str(bad))

    def _secret(self, route: ActiveRoute) -> str:
        """Give the secret. It is read anew: whoever takes it away closes the route at once."""
        secret = self._context.secrets.get(route.route.secret or self._settings.secret)
        if not secret:
            raise Refused("the route has no secret any more")
        return secret

    async def _take(self, route: ActiveRoute, event: Event) -> Response:
        about: dict[str, Any] = {
            "route": route.name,
            "event": event.kind,
            "delivery_id": event.id,
        }
        if not route.wants(event):
            return answer(200, "ignored", reason="event", **about)
        signed = f"signed/{route.name}/{event.proof.digest}" if event.proof.digest else ""
        if route.knows(event) or signed in route.working:
            return answer(200, "duplicate", **about)
        working = {event.id, signed} - {""}
        route.working |= working
        try:
            if signed and await self._context.state.get(signed):
                return answer(200, "duplicate", **about)
            await self._keep(route.message(event))
            if signed:
                window = self._settings.replay_window
                await self._context.state.set(signed, event.id, seconds=window)
        except HermesError as error:
            self._log.error("a webhook could not be kept", route=route.name, error=one_line(error))
            return answer(503, "refused", {"retry-after": "30"}, error="it could not be kept")
        finally:
            route.working -= working
        route.remember(event)
        self._log.info("a webhook was taken in", route=route.name, kind=event.kind, id=event.id)
        return answer(202, "accepted", **about)

    async def _body(self, request: Request) -> bytes:
        """Read the body, counting it as it comes, whatever length it announced."""
        limit = self._settings.max_body_bytes
        announced = request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > limit:
            raise TooLarge
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise TooLarge
        return bytes(body)


class TooLarge(Exception):
    """The body has more bytes than it may."""


def answer(
    code: int, status: str, headers: dict[str, str] | None = None, **fields: Any
) -> Response:
    """Make a response as Hermes Agent's senders know them: JSON with a ``status``."""
    body = msgspec.json.encode({"status": status, **fields})
    return Response(
        body, code, {"cache-control": "no-store", **(headers or {})}, "application/json"
    )
