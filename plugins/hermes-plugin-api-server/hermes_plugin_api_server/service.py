"""The service: binds the address, runs uvicorn in the gateway's loop, ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import uvicorn

from hermes import HermesError, PluginContext, Service
from hermes_plugin_api_server.api import API
from hermes_plugin_api_server.guard import Guard, is_loopback
from hermes_plugin_api_server.settings import APIServerSettings

if TYPE_CHECKING:
    from hermes.runtime import Runtime

BACKLOG = 2048
LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where to knock when it listens everywhere."""


class APIServer(Service):
    """Serves the API for as long as the gateway runs."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._settings: APIServerSettings = context.settings
        self.api: API | None = None
        self.address: tuple[str, int] | None = None
        """Where it listens."""
        self.listening = asyncio.Event()

    def missing(self) -> str:
        """Say why it may not start."""
        host, wild = self._settings.host, [one for one in self._settings.cors if "*" in one]
        if wild:
            return f"api-server.cors: {wild[0]!r} stands for every page; name the origins"
        if not is_loopback(host) and not self._key():
            return (
                f"api-server.host {host} can be reached by others, so it needs a key: put"
                f" API_SERVER_KEY=… into .env, or set host: 127.0.0.1"
            )
        return ""

    def _key(self) -> str:
        return self._context.secrets.get(self._settings.key) or ""

    async def run(self, runtime: Runtime) -> None:
        """Serve until cancelled. What runs then gets the gateway's time to end."""
        missing = self.missing()
        if missing:
            raise HermesError(missing)
        settings, key, log = self._settings, self._key(), self._context.log
        listener = _listen(settings.host, settings.port)
        if self.api is None:
            self.api = API(runtime, settings, state=self._context.state, log=log, has_key=bool(key))
            await self.api.runs.recover()
        guard = Guard(
            self.api.application(),
            key=key,
            listens_on=settings.host,
            hosts=settings.hosts,
            cors=settings.cors,
            body_limit=settings.body_limit,
            log=log,
        )
        kernel: Any = runtime.host.config.section("hermes")
        server = _server(guard, grace=kernel.gateway.drain)
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        self.address = listener.getsockname()[:2]
        self.listening.set()
        log.debug("listening", address=f"http://{settings.host}:{self.address[1]}")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await asyncio.wait((serving,))
            self.api.close()
            raise
        finally:
            self.listening.clear()

    async def probe(self) -> str:
        """Knock at our own door."""
        if self.address is None or not self.listening.is_set():
            raise HermesError("it does not listen")
        host, port = self.address
        reader, writer = await asyncio.open_connection(LOCAL.get(host, host), port)
        try:
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = (await reader.readline()).decode("latin-1").strip()
        finally:
            writer.close()
        if " 200 " not in answer:
            raise HermesError(f"it answered {answer or 'nothing'}")
        return f"listening on {host}:{port}"


def _listen(host: str, port: int) -> socket.socket:
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        return socket.create_server((bare, port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = error.strerror or str(error)
        raise HermesError(
            f"cannot listen on {host}:{port}: {why}; set api-server.host or api-server.port"
        ) from None


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the gateway's own handlers stay


def _server(app: Guard, *, grace: float) -> _Server:
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,  # what was asked for is nobody's business
        server_header=False,
        proxy_headers=False,  # nothing here trusts where a request says it is from
        timeout_keep_alive=75,  # longer than the pools of clients keep an idle connection
        timeout_graceful_shutdown=max(1, int(grace)),
    )
    return _Server(config)
