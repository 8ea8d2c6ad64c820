"""The SDK's HTTP client on asyncio's own streams: the pool asks each idle connection whether it
still stands, twice a request, which by way of anyio costs three system calls and a table each.

With a hundred connections in the pool that was half of the CPU of a whole message. Here a
connection knows: asyncio reads as bytes come, so one that is idle and has got some is at its end.

The SDK's own client on aiohttp costs as little, and is not used: what a server says unasked on an
idle connection (408, and it closes) it takes for the next answer, and an address that refuses, has
no name or a false certificate is a timeout to it (SDK 3.54). Four tests here fail with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore2
import httpx2
import openai

READ_AHEAD = 64 * 1024
"""Bytes that are read before somebody wants them; twice that, then the peer waits."""


class Client(openai.DefaultAsyncHttpxClient):
    """The SDK's client with its defaults, environment and proxies; what goes through no proxy goes
    over asyncio's streams.
    """

    def _init_transport(self, *args: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        # As the SDK's own client for aiohttp does it: only so the proxies stay httpx2's business.
        return _Transport(options["limits"])


class _Transport(httpx2.AsyncHTTPTransport):
    def __init__(self, limits: httpx2.Limits) -> None:
        context = httpx2.create_ssl_context()
        super().__init__(verify=context, limits=limits)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Network(),
        )


class _Network(httpcore2.AsyncNetworkBackend):
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore's own signature)
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        loop, reader = asyncio.get_running_loop(), _Reader(READ_AHEAD)
        protocol = asyncio.StreamReaderProtocol(reader)
        with _named(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            async with asyncio.timeout(timeout):
                transport, _ = await loop.create_connection(
                    lambda: protocol, host, port, happy_eyeballs_delay=0.25
                )
        return _Stream(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Reader(asyncio.StreamReader):
    """Knows how many bytes came that nobody has read."""

    unread = 0

    def feed_data(self, data: Any) -> None:
        self.unread += len(data)
        super().feed_data(data)

    async def read(self, n: int = -1) -> bytes:
        data = await super().read(n)
        self.unread -= len(data)
        return data


class _Stream(httpcore2.AsyncNetworkStream):
    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        with _named(httpcore2.ReadTimeout, httpcore2.ReadError):
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        with _named(httpcore2.WriteTimeout, httpcore2.WriteError):
            async with asyncio.timeout(timeout):
                self._writer.write(buffer)
                await self._writer.drain()

    async def aclose(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  (httpcore's own signature)
    ) -> httpcore2.AsyncNetworkStream:
        with _named(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            try:
                async with asyncio.timeout(timeout):
                    await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
            except BaseException:
                self._writer.close()
                raise
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # asked of an idle connection: has it ended?
            return bool(
                self._reader.unread
                or self._reader.at_eof()
                or self._reader.exception()
                or self._writer.is_closing()
            )
        names = {"client_addr": "sockname", "server_addr": "peername"}
        return self._writer.get_extra_info(names.get(info, info))


@contextlib.contextmanager
def _named(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """Give errors the names that the client knows."""
    try:
        yield
    except TimeoutError as error:
        raise late(error) from error
    except OSError as error:  # TLS's are among them
        raise broken(error) from error
