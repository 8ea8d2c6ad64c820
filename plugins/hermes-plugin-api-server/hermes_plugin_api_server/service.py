"""The service: binds the address, runs uvicorn in the gateway's loop, ends in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hermes import (
    HermesError,
    PluginContext,
    Service,
    is_loopback,
    knock,
    listen,
    serve_http,
)
from hermes_plugin_api_server.api import API
from hermes_plugin_api_server.guard import Guard
from hermes_plugin_api_server.settings import APIServerSettings

if TYPE_CHECKING:
    from hermes.runtime import Runtime


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
        listener = listen(settings.host, settings.port, "api-server")
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
        self.address = listener.getsockname()[:2]
        self.listening.set()
        log.debug("listening", address=f"http://{settings.host}:{self.address[1]}")
        try:
            await serve_http(guard, listener, grace=kernel.gateway.drain)
        finally:
            self.api.close()
            self.listening.clear()

    async def probe(self) -> str:
        """Knock at our own door."""
        if self.address is None or not self.listening.is_set():
            raise HermesError("it does not listen")
        return await knock(self.address)
