"""Nothing in a test reaches past this machine: a guard at the sockets of this process.

What is refused gets the error that an unplugged machine would give, and is written down, so that
the test fails even where the code under test took the error in its stride. Child processes are not
covered.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

import pytest

NO_SUCH_NAMES = (".invalid", ".test", ".example")
"""Reserved by RFC 2606 and 6761: nothing answers to them anywhere, so they are refused silently."""


class OffLoopbackError(OSError):
    """The network is out of reach in tests."""


class NetworkGuard:
    """Refuses connections, look-ups and listeners that are not this machine's own business."""

    def __init__(self) -> None:
        self.attempts: list[str] = []
        """What was refused since it was last cleared, one line each."""
        self.open = False
        """Lets everything through (tests marked ``live``)."""

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put the guard in front of the methods of `socket.socket` and `socket.getaddrinfo`."""
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, self._checked(getattr(socket.socket, name)))
        patch.setattr(socket.socket, "sendto", self._checked(socket.socket.sendto, last=True))
        patch.setattr(socket.socket, "listen", self._checked_listen(socket.socket.listen))
        patch.setattr(socket, "getaddrinfo", self._checked_lookup(socket.getaddrinfo))

    def _checked(self, method: Any, *, last: bool = False) -> Any:
        def checked(sock: socket.socket, *arguments: Any) -> Any:
            address = arguments[-1 if last else 0] if arguments else None
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                self._refuse_unless_local("connection to", address)
            return method(sock, *arguments)

        return checked

    def _checked_listen(self, method: Any) -> Any:
        def listen(sock: socket.socket, *arguments: Any) -> Any:
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                self._refuse_unless_local("listening on", sock.getsockname(), wildcard=False)
            return method(sock, *arguments)

        return listen

    def _checked_lookup(self, function: Any) -> Any:
        def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if not self.open and name and not is_local_name(name) and not _is_address(name):
                if not name.lower().rstrip(".").endswith(NO_SUCH_NAMES):
                    self.attempts.append(f"look-up of {name}")
                raise socket.gaierror(socket.EAI_NONAME, f"{name}: no name service in tests")
            return function(host, *arguments, **options)

        return getaddrinfo

    def _refuse_unless_local(self, what: str, address: Any, *, wildcard: bool = True) -> None:
        if self.open or not isinstance(address, tuple):
            return
        host = str(address[0])
        if is_local_name(host) or _is_local_address(host, wildcard=wildcard):
            return
        self.attempts.append(f"{what} {host} port {address[1]}")
        raise OffLoopbackError(
            errno.ENETUNREACH, f"{what} {host}: the network is out of reach in tests"
        )


def is_local_name(name: str) -> bool:
    """Whether *name* means this machine without asking anybody."""
    return name.lower().rstrip(".") in ("", "localhost") or name.lower().endswith(".localhost")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_local_address(host: str, *, wildcard: bool) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    # The unspecified address connects to this machine, but listens to everybody.
    return bool(mapped.is_loopback or (wildcard and mapped.is_unspecified))
