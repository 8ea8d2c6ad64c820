"""An HTTP proxy that lets a sandbox reach the hosts it may, and nothing else.

Names are resolved here, once: every address must be a public one, and the one that was checked is
dialled. An entry that is an address itself (``127.0.0.1:8000``) is taken at its word.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from hermes import HermesError, Log

HEAD = 65_536
"""Bytes of a request's head at most."""
USUAL = (80, 443)


class RefusedError(HermesError):
    """This host may not be reached."""


class Allowlist:
    """The hosts of ``sandbox.network``."""

    def __init__(self, entries: Sequence[str]) -> None:
        self._entries = [_parted(entry.lower().rstrip(".")) for entry in entries]

    def covers(self, host: str, port: int) -> bool:
        """Whether *host* (a name, or an address without brackets) may be reached at *port*."""
        host = host.lower().rstrip(".")
        return any(
            _fits(name, host) and (port in USUAL if at is None else port == at)
            for name, at in self._entries
        )


class Proxy:
    """Serves one sandbox."""

    def __init__(self, allowed: Allowlist, log: Log) -> None:
        self._allowed = allowed
        self._log = log
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket) -> None:
        """Accept what comes to *listener* until `close`."""
        listener.setblocking(False)
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=HEAD)

    async def close(self) -> None:
        """Accept nothing more and end what goes on."""
        if self._server is not None:
            self._server.close()
        for task in self._talks:
            task.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        try:
            await self._talk(reader, writer)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the sandbox's own trouble
        finally:
            self._talks.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(30):
            head = await reader.readuntil(b"\r\n\r\n")
        try:
            method, target, version = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
            host, port, first = _asked(method, target, version, head)
            await self._relay(host, port, first, reader, writer)
        except RefusedError as error:
            said = f"{error}\n".encode()
            writer.write(
                b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(said), said)
            )
            await writer.drain()
            writer.write_eof()
            with contextlib.suppress(TimeoutError):  # else what it still sends resets the answer
                async with asyncio.timeout(1):
                    await reader.read(-1)

    async def _relay(
        self,
        host: str,
        port: int,
        first: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        address = await self._checked(host, port)
        try:
            async with asyncio.timeout(30):
                out, into = await asyncio.open_connection(address, port)
        except (OSError, TimeoutError) as error:
            raise RefusedError(f"sandbox: {host}:{port} cannot be reached ({error})") from None
        try:
            if first:
                into.write(first)
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_copy(reader, into), _copy(out, writer))
        finally:
            into.close()

    async def _checked(self, host: str, port: int) -> str:
        """Give an address of *host* that may be dialled. Raise `RefusedError`."""
        if not self._allowed.covers(host, port):
            self._log.info("sandbox refused a host", host=host[:200], port=port)
            raise RefusedError(f"sandbox: {host}:{port} is not among the hosts of sandbox.network")
        if _address(host) is not None:
            return host
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
        except OSError:
            raise RefusedError(f"sandbox: {host} has no address") from None
        addresses = [str(each[4][0]) for each in found]
        for address in addresses:
            if not ipaddress.ip_address(address.partition("%")[0]).is_global:
                raise RefusedError(
                    f"sandbox: {host} leads to {address}, which is no public address"
                )
        return addresses[0]


def _asked(method: str, target: str, version: str, head: bytes) -> tuple[str, int, bytes]:
    """Give host, port, and what to send first: nothing for a tunnel."""
    if method == "CONNECT":
        parts = urlsplit(f"//{target}")
        return parts.hostname or "", parts.port or 443, b""
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname:
        raise RefusedError("sandbox: this proxy takes CONNECT and http:// addresses")
    path = parts._replace(scheme="", netloc="").geturl() or "/"
    rest = head.split(b"\r\n", 1)[1]
    kept = [line for line in rest.split(b"\r\n") if not line.lower().startswith(b"proxy-")]
    first = f"{method} {path} {version}\r\n".encode("ascii") + b"\r\n".join(kept)
    return parts.hostname, parts.port or 80, first


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def _parted(entry: str) -> tuple[str, int | None]:
    if _address(entry) is not None:
        return entry, None
    name, colon, port = entry.rpartition(":")
    return (name.strip("[]"), int(port)) if colon and port.isdigit() else (entry, None)


def _fits(name: str, host: str) -> bool:
    return host == name or (name.startswith("*.") and host.endswith(name[1:]))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
