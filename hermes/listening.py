"""Serving HTTP: where a listener may be bound, and a server in the gateway's own loop (§10).

For plugins that serve (an API, webhooks, a dashboard). `serve_http` needs uvicorn, which the plugin
that calls it depends on; the kernel does without.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

from hermes.errors import HermesError

BACKLOG = 2048
KEEP_ALIVE = 75
"""Seconds: longer than the pools of clients keep an idle connection."""
LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where to knock at what listens everywhere."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on *host*."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int, section: str) -> socket.socket:
    """Bind a listener; port 0 takes any that is free.

    Raises HermesError that names ``<section>.host`` and ``.port`` as what to change.
    """
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        return socket.create_server((bare, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:  # the latter for no port at all
        # Python adds the address to the system's words, which are said here already.
        why = (getattr(error, "strerror", None) or str(error)).partition(" (while ")[0]
        raise HermesError(
            f"cannot listen on {host}:{port}: {why}; set {section}.host or {section}.port"
        ) from None


async def serve_http(app: Any, listener: socket.socket, *, grace: float) -> None:
    """Serve an ASGI application until cancelled; requests under way then have *grace* seconds.

    Nothing is logged of who asked for what, and nothing that a request says of where it is from is
    believed.
    """
    import uvicorn  # noqa: PLC0415 - only where something serves

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # the gateway's own handlers stay

    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, int(grace)),
    )
    server = Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await asyncio.wait((serving,))
        raise


async def knock(address: tuple[str, int], path: str = "/health") -> str:
    """Ask our own listener for *path*, as somebody outside would; say where it listens.

    Raises HermesError where the answer is not 200, OSError where there is none.
    """
    host, port = address
    reader, writer = await asyncio.open_connection(LOCAL.get(host, host), port)
    try:
        asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        writer.write(asked.encode())
        answer = (await reader.readline()).decode("latin-1").strip()
    finally:
        writer.close()
    if " 200 " not in answer:
        raise HermesError(f"{host}:{port} answered {answer or 'nothing'}")
    return f"listening on {host}:{port}"
