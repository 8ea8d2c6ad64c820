"""Terminals on this machine, each closed when its test ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import TerminalSpec
from hermes_plugin_local_terminal.backend import LocalBackend
from hermes_plugin_local_terminal.settings import LocalTerminalSettings
from hermes_plugin_local_terminal.terminal import LocalTerminal

Make = Callable[..., Awaitable[LocalTerminal]]


@pytest.fixture
async def make_terminal(plugin_context, tmp_path: Path) -> AsyncIterator[Make]:
    opened: list[Any] = []

    async def make(
        *, passed: tuple[str, ...] = (), env: tuple[tuple[str, str], ...] = (), **settings: Any
    ) -> LocalTerminal:
        kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=passed))
        context = plugin_context(
            "local-terminal",
            settings=LocalTerminalSettings(**settings),
            sections={"hermes": kernel},
        )
        backend = LocalBackend(context)
        await backend.open()
        terminal = await backend.terminal(TerminalSpec("test", str(tmp_path), env))
        await terminal.open()
        opened.append(terminal)
        assert isinstance(terminal, LocalTerminal)
        return terminal

    yield make
    for terminal in opened:
        await terminal.close()


@pytest.fixture
async def terminal(make_terminal: Make) -> LocalTerminal:
    return await make_terminal()
