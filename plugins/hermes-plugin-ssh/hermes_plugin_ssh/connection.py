"""The connection that all terminals share, and how it comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import asyncssh

from hermes import PluginContext, TerminalError
from hermes_plugin_ssh.channel import SSHChannel
from hermes_plugin_ssh.host_keys import HostKeys

MOST = 4
"""Connections at once: sshd allows ten sessions on each (MaxSessions) unless told otherwise."""


class Connection:
    """One multiplexed connection, made at first use, and anew once it is lost.

    Another is added only where the server refuses one more session on those that there are.
    """

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._settings = context.settings
        self.host = self._settings.host or self._variable("TERMINAL_SSH_HOST")
        self.user = self._settings.user or self._variable("TERMINAL_SSH_USER")
        self.port = self._settings.port or _number(self._variable("TERMINAL_SSH_PORT"))
        self._open: dict[asyncssh.SSHClientConnection, int] = {}
        """Connections, and how many use each."""
        self._through: list[asyncssh.SSHClientConnection] = []
        self._connecting = asyncio.Lock()
        self.made = 0
        """How many connections there have been."""

    @property
    def name(self) -> str:
        """The machine as settings name it: ``user@host:port``."""
        port = f":{self.port}" if self.port else ""
        return f"{self.user}@{self.host}{port}" if self.user else f"{self.host}{port}"

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return any(not connection.is_closed() for connection in self._open)

    @property
    def place(self) -> str:
        """What the machine is called in errors."""
        return f"ssh {self.host}"

    async def channel(self, command: str, feed: Callable[[bytes], None]) -> SSHChannel:
        """Run *command* in a channel of its own. Raise `TerminalError` when that cannot be."""
        if not self.host:
            raise TerminalError("ssh: no host; set ssh.host (or TERMINAL_SSH_HOST)")
        refused: list[asyncssh.SSHClientConnection] = []
        for _ in range(MOST + 1):
            connection = await self._usable(refused)
            session = SSHChannel(feed, self.place, partial(self._unused, connection))
            try:
                await connection.create_session(partial(_given, session), command, encoding=None)
            except asyncssh.ChannelOpenError as error:
                self._unused(connection)
                if not connection.is_closed():
                    refused.append(connection)
                    if len(refused) < MOST:
                        continue
                    said = f"it allows no more sessions ({error.reason}); end some"
                    raise TerminalError(f"{self.place}: {said}. Nothing was run") from None
                if session.opened:
                    raise self._lost() from None
            except (OSError, asyncssh.Error):
                self._unused(connection)
                if session.opened:
                    raise self._lost() from None
            except BaseException:
                self._unused(connection)
                raise
            else:
                return session
            self._drop(connection)  # it was dead before anything was sent: connect anew
        raise TerminalError(f"{self.place}: every connection is closed at once. Nothing was run")

    async def rest(self) -> None:
        """Close what nobody uses."""
        async with self._connecting:
            for connection in [each for each, users in self._open.items() if not users]:
                self._open.pop(connection)
                connection.close()
            if not self._open:
                await self._leave()

    async def close(self) -> None:
        """Close all of them."""
        async with self._connecting:
            every = list(self._open)
            self._open.clear()
            for connection in every:
                connection.close()
            for connection in every:
                with contextlib.suppress(OSError, asyncssh.Error, TimeoutError):
                    async with asyncio.timeout(2):
                        await connection.wait_closed()
            await self._leave()

    async def _leave(self) -> None:
        """Close the hops, the nearest last."""
        while self._through:
            hop = self._through.pop()
            hop.close()
            with contextlib.suppress(OSError, asyncssh.Error, TimeoutError):
                async with asyncio.timeout(2):
                    await hop.wait_closed()

    def _lost(self) -> TerminalError:
        return TerminalError(
            f"{self.place}: the connection was lost as the command was sent: it may or may not have"
            " started. It was not sent again, and nowhere else; look before you repeat it"
        )

    async def _usable(
        self, refused: list[asyncssh.SSHClientConnection]
    ) -> asyncssh.SSHClientConnection:
        async with self._connecting:
            for connection in list(self._open):
                if connection.is_closed():
                    self._drop(connection)
                elif connection not in refused:
                    self._open[connection] += 1
                    return connection
            made = await self._connect()
            self._open[made] = 1
            self.made += 1
            return made

    def _unused(self, connection: asyncssh.SSHClientConnection) -> None:
        if connection in self._open:
            self._open[connection] -= 1

    def _drop(self, connection: asyncssh.SSHClientConnection) -> None:
        self._open.pop(connection, None)
        connection.abort()

    async def _connect(self) -> asyncssh.SSHClientConnection:
        tunnel: asyncssh.SSHClientConnection | None = None
        if not self._open:
            for left in self._through:
                left.abort()
            self._through.clear()
        for hop in self._settings.jump:
            tunnel = await self._hop(*parsed(hop), tunnel)
            self._through.append(tunnel)
        return await self._hop(self.user, self.host, self.port, tunnel)

    async def _hop(
        self, user: str, host: str, port: int, tunnel: asyncssh.SSHClientConnection | None
    ) -> asyncssh.SSHClientConnection:
        settings = self._settings
        keys = HostKeys(settings.known_hosts, settings.accept_new)
        options: dict[str, Any] = {
            "config": _existing(settings.config),
            "known_hosts": keys.trusted,
            "keepalive_interval": settings.keepalive,
            "keepalive_count_max": 3,
            "connect_timeout": settings.connect_timeout,
            "login_timeout": settings.connect_timeout,
            "client_factory": keys.client,
            **_NOT_FOR_COMMANDS,
            **self._credentials(),
        }
        if user:
            options["username"] = user
        if port:
            options["port"] = port
        try:
            return await asyncssh.connect(host, tunnel=tunnel, **options)
        except asyncssh.HostKeyNotVerifiable:
            raise TerminalError(f"ssh {host}: {keys.refused(host)}. Nothing was run") from None
        except asyncssh.PermissionDenied as error:
            raise TerminalError(
                f"ssh {host}: it does not let us in ({error.reason.rstrip('.')});"
                " check ssh.user and ssh.key. Nothing was run"
            ) from None
        except (asyncssh.Error, OSError, ValueError) as error:
            said = str(error) or type(error).__name__
            raise TerminalError(f"ssh {host}: cannot connect: {said}. Nothing was run") from None

    def _credentials(self) -> dict[str, Any]:
        secrets, settings = self._context.secrets, self._settings
        given: dict[str, Any] = {}
        if key := settings.key or secrets.get(settings.key_from):
            path = Path(key).expanduser()
            if not path.is_file():
                raise TerminalError(f"ssh: no key file {path} (ssh.key)")
            given["client_keys"] = [str(path)]
        if passphrase := secrets.get(settings.passphrase):
            given["passphrase"] = passphrase
        if password := secrets.get(settings.password):
            given["password"] = password
        return given

    def _variable(self, name: str) -> str:
        return self._context.config.variable(name) or ""


_NOT_FOR_COMMANDS: dict[str, Any] = {
    "agent_forwarding": False,
    "x11_forwarding": False,
    "send_env": [],
    "env": {},
    "request_pty": False,
}
"""What a person's own configuration may let through for a person: their agent opens every door
that their keys open."""


def _given(session: SSHChannel) -> SSHChannel:
    return session


def _number(text: str) -> int:
    if text and not text.isdigit():
        raise TerminalError(f"TERMINAL_SSH_PORT is no number: {text!r}")
    return int(text or 0)


def parsed(hop: str) -> tuple[str, str, int]:
    """Read ``user@host:port``; user and port may be left out."""
    user, _, rest = hop.rpartition("@")
    host, colon, port = rest.rpartition(":")
    if not colon or not port.isdigit():
        host, port = rest, "0"
    return user, host.strip("[]"), int(port)


def _existing(name: str) -> list[str] | None:
    path = Path(name).expanduser() if name else None
    return [str(path)] if path and path.is_file() else None
