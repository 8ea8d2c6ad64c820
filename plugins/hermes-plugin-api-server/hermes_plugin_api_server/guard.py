"""Who gets in: stands before every route, whether there is one or not.

A page in a browser on this machine can reach loopback too, so the address alone proves nothing.
Checked, in this order: the name that was asked for (a page under a name of its own that resolves to
127.0.0.1 is refused), where the page came from, the key, the size of the body. Only ``/health`` is
answered without a key, and says nothing but that it lives. A key counts in the ``Authorization``
header alone: addresses end up in logs and histories.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hermes import Log, is_loopback, one_line
from hermes_plugin_api_server.errors import APIError

OPEN = frozenset({("GET", "/health"), ("HEAD", "/health"), ("GET", "/v1/health")})
"""The only requests that need no key."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
METHODS = "GET, POST, DELETE, OPTIONS"
HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Hermes-Session-Id, X-Hermes-Session-Key"
EXPOSED = "X-Hermes-Session-Id, X-Hermes-Session-Key, X-Request-Id"


class Guard:
    """The outermost ASGI application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        key: str,
        listens_on: str,
        hosts: Iterable[str],
        cors: Iterable[str],
        body_limit: int,
        log: Log,
    ) -> None:
        self._app = app
        self._key = key.encode()
        self._loopback = is_loopback(listens_on)
        self._names = LOOPBACK | {name.lower() for name in (listens_on.strip("[]"), *hosts)}
        if not self._loopback:
            self._names |= {socket.gethostname().lower()}
        self._cors = frozenset(cors)
        self._body_limit = body_limit
        self._log = log
        self.refused = 0
        """Requests that were not let in."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # a WebSocket: nothing here speaks it
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        began = False

        async def sending(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                self._mark(headers, message)
            await send(message)

        try:
            answer = self._admit(scope, headers)
            if answer is not None:
                await answer(scope, receive, sending)
                return
            await self._app(scope, self._limited(headers, receive), sending)
        except APIError as error:
            if not began:
                await error.response()(scope, receive, sending)
        except ClientDisconnect:
            pass  # in the middle of its own request
        except Exception as error:  # noqa: BLE001  (isolation: one request's failure stays its own)
            self._log.error("request failed", path=scope["path"], error=one_line(error))

    def _admit(self, scope: Scope, headers: Headers) -> Response | None:
        """Let the request in, or answer it here. Raises `APIError`."""
        try:
            self._check_host(headers.get("host", ""))
            origin = self._check_origin(headers)
            if scope["method"] == "OPTIONS" and origin:  # browsers send no key with these
                return Response(status_code=204)
            if (scope["method"], scope["path"]) not in OPEN:
                self._check_key(headers)
        except APIError:
            self.refused += 1
            raise
        return None

    def _check_host(self, host: str) -> None:
        name = _without_port(host).lower()
        if name in self._names or (not self._loopback and _is_address(name)):
            return
        said = f"This server does not answer to the name {name[:100]!r}; api-server.hosts lists it."
        raise APIError(421, said, code="host_not_allowed")

    def _check_origin(self, headers: Headers) -> str:
        origin = headers.get("origin", "")
        if origin in self._cors and origin:
            return origin
        if origin or headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            said = "Pages of other sites may not call this; api-server.cors lists those that may."
            raise APIError(403, said, code="origin_not_allowed")
        return ""

    def _check_key(self, headers: Headers) -> None:
        if not self._key:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            said = "No key was sent: it goes into the header Authorization: Bearer …"
            raise APIError(401, said, code="missing_api_key", headers=CHALLENGE)
        if not hmac.compare_digest(given.strip().encode("latin-1"), self._key):
            raise APIError(401, "Incorrect API key.", code="invalid_api_key", headers=CHALLENGE)

    def _limited(self, headers: Headers, receive: Receive) -> Receive:
        """Count the body as it comes, whatever its announced length. Raises `APIError`."""
        too_large = APIError(
            413,
            f"The body is larger than {self._body_limit} bytes (api-server.body_limit).",
            code="body_too_large",
        )
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._body_limit:
            raise too_large
        left = self._body_limit

        async def counting() -> Message:
            nonlocal left
            message = await receive()
            if message["type"] == "http.request":
                left -= len(message.get("body", b""))
                if left < 0:
                    raise too_large
            return message

        return counting

    def _mark(self, asked: Headers, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        headers["X-Content-Type-Options"] = "nosniff"
        if headers.get("cache-control") is None:
            headers["Cache-Control"] = "no-store"
        origin = asked.get("origin", "")
        if self._cors:
            headers["Vary"] = "Origin"
        if origin and origin in self._cors:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Methods"] = METHODS
            headers["Access-Control-Allow-Headers"] = asked.get(
                "access-control-request-headers", HEADERS
            )
            headers["Access-Control-Expose-Headers"] = EXPOSED
            headers["Access-Control-Max-Age"] = "600"


CHALLENGE = {"www-authenticate": "Bearer"}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
