"""Terminals at the end of a program: a plain `env`, which leads to this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import TerminalSpec
from hermes_plugin_remote.command import CommandBackend, CommandTerminal
from hermes_plugin_remote.settings import RemoteSettings

Make = Callable[..., Awaitable[CommandTerminal]]


@pytest.fixture
async def make_terminal(plugin_context) -> AsyncIterator[Make]:
    opened: list[Any] = []

    async def make(
        *command: str, passed: tuple[str, ...] = (), env: tuple[tuple[str, str], ...] = ()
    ) -> CommandTerminal:
        kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=passed))
        context = plugin_context(
            "remote",
            settings=RemoteSettings(command=command or ("env",)),
            sections={"hermes": kernel},
        )
        terminal = await CommandBackend(context).terminal(TerminalSpec("test", "", env))
        opened.append(terminal)
        await terminal.open()
        assert isinstance(terminal, CommandTerminal)
        return terminal

    yield make
    for terminal in opened:
        await terminal.close()


@pytest.fixture
async def terminal(make_terminal: Make) -> CommandTerminal:
    return await make_terminal()
