"""A real sshd on loopback, and terminals on it that are closed when their test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import TerminalSpec
from hermes.testing.sshd import SSHServer, sshd
from hermes_plugin_ssh.backend import SSHBackend, SSHTerminal
from hermes_plugin_ssh.settings import SSHSettings

Make = Callable[..., Awaitable[SSHTerminal]]


@pytest.fixture(scope="session")
def server(tmp_path_factory, keep_child) -> Iterator[SSHServer]:
    with sshd(tmp_path_factory.mktemp("sshd"), kept=keep_child) as running:
        yield running


@pytest.fixture
async def make_backend(plugin_context, server: SSHServer) -> AsyncIterator[Callable[..., Any]]:
    opened: list[SSHBackend] = []

    async def make(
        *,
        passed: tuple[str, ...] = (),
        variables: dict[str, str] | None = None,
        secrets: dict[str, str] | None = None,
        **settings: Any,
    ) -> SSHBackend:
        kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=passed))
        given = {
            "host": "127.0.0.1",
            "port": server.port,
            "user": server.user,
            "key": str(server.key),
            "known_hosts": str(server.known_hosts),
            "config": "",
            **settings,
        }
        context = plugin_context(
            "ssh",
            settings=SSHSettings(**given),
            sections={"hermes": kernel},
            variables=variables,
            secrets=secrets,
        )
        backend = SSHBackend(context)
        await backend.open()
        opened.append(backend)
        return backend

    yield make
    for backend in opened:
        await backend.close()


@pytest.fixture
async def make_terminal(make_backend) -> AsyncIterator[Make]:
    opened: list[Any] = []

    async def make(*, env: tuple[tuple[str, str], ...] = (), **settings: Any) -> SSHTerminal:
        backend = await make_backend(**settings)
        terminal = await backend.terminal(TerminalSpec("test", "", env))
        opened.append(terminal)
        await terminal.open()
        assert isinstance(terminal, SSHTerminal)
        return terminal

    yield make
    for terminal in opened:
        await terminal.close()


@pytest.fixture
async def terminal(make_terminal: Make) -> SSHTerminal:
    return await make_terminal()
