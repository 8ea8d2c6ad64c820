"""Terminals in sandboxes of a Daytona that stands on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import TerminalLimits, TerminalSpec
from hermes.testing import daytona
from hermes_plugin_daytona.backend import DaytonaBackend
from hermes_plugin_daytona.settings import DaytonaSettings

Make = Callable[..., Awaitable[Any]]
LIMITS = TerminalLimits(1, 5120, 51200, 256)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[daytona.Cloud]:
    async with daytona.serve(tmp_path / "cloud") as running:
        yield running


@pytest.fixture
async def make_backend(plugin_context, cloud: daytona.Cloud) -> AsyncIterator[Make]:
    opened: list[DaytonaBackend] = []

    async def make(*, key: str = "", **settings: Any) -> DaytonaBackend:
        kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=()))
        given = {"api_url": cloud.url, "target": "us", **settings}
        context = plugin_context(
            "daytona",
            settings=DaytonaSettings(**given),
            sections={"hermes": kernel},
            secrets={"DAYTONA_API_KEY": key or cloud.key},
        )
        backend = DaytonaBackend(context)
        await backend.open()
        opened.append(backend)
        return backend

    yield make
    for backend in opened:
        await backend.close()


@pytest.fixture
async def make_terminal(make_backend: Make) -> AsyncIterator[Make]:
    opened: list[Any] = []

    async def make(*, scope: str = "test", persistent: bool = True, **settings: Any) -> Any:
        backend = await make_backend(**settings)
        terminal = await backend.terminal(
            TerminalSpec(scope, "/nowhere/here", limits=LIMITS, persistent=persistent)
        )
        opened.append(terminal)
        await terminal.open()
        return terminal

    yield make
    for terminal in opened:
        await terminal.close()


@pytest.fixture
async def terminal(make_terminal: Make) -> Any:
    return await make_terminal()
