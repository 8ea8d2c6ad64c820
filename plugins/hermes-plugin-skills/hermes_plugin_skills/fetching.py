"""Fetching over HTTP what a person named, and nothing that they did not mean.

A name is resolved once, every address is looked at, and the one that was looked at is dialled; a
redirect or a link goes through the same. What the person typed may be an address of this machine or
network (they chose it); what a page they named leads to may not, unless it is the same host.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from urllib.parse import SplitResult, urljoin, urlsplit

from hermes import one_line
from hermes_plugin_skills.skill import SkillError

LARGEST = 5_000_000
"""Bytes of one answer."""
SECONDS = 30.0
REDIRECTS = 5


class Fetcher:
    """Fetches for one source. Blocks."""

    def __init__(self, typed: str) -> None:
        """*typed* is the URL that a person gave. Raises `SkillError` for what is none."""
        self._typed = _split(typed)

    def get(self, url: str) -> bytes:
        """Give what lies at *url*. Raises `SkillError` in one line."""
        for _ in range(REDIRECTS + 1):
            target = _split(url)
            try:
                status, location, body = self._once(target)
            except (OSError, http.client.HTTPException) as error:
                raise SkillError(f"{url} cannot be fetched: {one_line(error)}") from None
            if status in (301, 302, 303, 307, 308) and location:
                url = urljoin(url, location)
                continue
            if status != 200:
                raise SkillError(f"{url} cannot be fetched: HTTP {status}")
            return body
        raise SkillError(f"{url}: more than {REDIRECTS} redirects")

    def _once(self, target: SplitResult) -> tuple[int, str, bytes]:
        port = target.port or (443 if target.scheme == "https" else 80)
        address = self._checked(target, port)
        connection: http.client.HTTPConnection = _Dialled(target.hostname or "", port, address)
        if target.scheme == "https":
            connection = _DialledSecurely(target.hostname or "", port, address)
        try:
            path = target._replace(scheme="", netloc="", fragment="").geturl() or "/"
            connection.request(
                "GET", path, headers={"User-Agent": "hermes-skills", "Accept": "*/*"}
            )
            answer = connection.getresponse()
            body = answer.read(LARGEST + 1)
            if len(body) > LARGEST:
                raise SkillError(f"{target.geturl()} has more than {LARGEST:,} bytes")
            return answer.status, answer.getheader("Location", ""), body
        finally:
            connection.close()

    def _checked(self, target: SplitResult, port: int) -> str:
        """Resolve, look at every address, give the one to dial."""
        host = target.hostname or ""
        found = {
            str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        }
        if (host, target.port) != (self._typed.hostname, self._typed.port):
            for address in found:
                if not ipaddress.ip_address(address.partition("%")[0]).is_global:
                    raise SkillError(f"{target.geturl()} leads into a private network ({address})")
        return min(found, key=lambda each: ":" in each)


def _split(url: str) -> SplitResult:
    try:
        target = urlsplit(url)
        bad = target.scheme not in ("http", "https") or not target.hostname or target.port == 0
    except ValueError:
        bad = True
    if bad:
        raise SkillError(f"{url!r} is no http or https address")
    if target.username or target.password:
        raise SkillError("an address with a password in it is not fetched")
    return target


class _Dialled(http.client.HTTPConnection):
    """Connects to the address that was looked at, whatever the name says now."""

    def __init__(self, host: str, port: int, address: str) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), SECONDS)


class _DialledSecurely(_Dialled):
    def connect(self) -> None:
        super().connect()
        context = ssl.create_default_context()
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
