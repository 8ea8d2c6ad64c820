"""Which host keys are trusted: those of ``known_hosts``, and with `accept_new` first-seen ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncssh


class HostKeys:
    """The checks of one connection."""

    def __init__(self, file: str, accept_new: bool) -> None:
        self._file = Path(file).expanduser()
        self._accept_new = accept_new
        self._seen: tuple[str, str] | None = None
        self._changed = False

    def trusted(
        self, host: str, addr: str, port: int | None
    ) -> tuple[list[Any], list[Any], list[Any], list[Any], list[Any], list[Any], list[Any]]:
        """Give what ``known_hosts`` says of a host, as asyncssh wants it."""
        found: Any = ([], [], [], [], [], [], [])
        if self._file.is_file():
            found = asyncssh.read_known_hosts(str(self._file)).match(host, addr, port)
        self._changed = any(found[:2])
        return found  # type: ignore[no-any-return]

    def client(self) -> asyncssh.SSHClient:
        """Make what asyncssh asks about a key that is not among them."""
        return _Client(self)

    def accept(self, host: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Decide about a key that is not among the trusted ones, and remember a new host's."""
        text = key.export_public_key("openssh").decode().split()
        self._seen = (key.get_algorithm(), key.get_fingerprint())
        if self._changed or not self._accept_new:
            return False
        name = host if port == 22 else f"[{host}]:{port}"
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._file.open("a") as file:
            file.write(f"{name} {text[0]} {text[1]}\n")
        return True

    def refused(self, host: str) -> str:
        """Say why the host was refused, and what to do."""
        key = " ".join(self._seen) if self._seen else "its key"
        if self._changed:
            return (
                f"its host key is not the one in {self._file} (it shows {key}): it may be another"
                " machine. If the change is meant, remove the old line there"
            )
        return (
            f"its host key ({key}) is not in {self._file}: connect once with ssh and compare,"
            " or set ssh.accept_new"
        )


class _Client(asyncssh.SSHClient):
    def __init__(self, keys: HostKeys) -> None:
        self._keys = keys

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        return self._keys.accept(host, port, key)
