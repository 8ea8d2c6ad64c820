"""Terminals in containers of a stand-in for Apptainer's command line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import TerminalLimits, TerminalSpec
from hermes.testing.apptainer import Apptainer, installed
from hermes_plugin_singularity.backend import SingularityBackend
from hermes_plugin_singularity.settings import SingularitySettings

Make = Callable[..., Awaitable[Any]]
LIMITS = TerminalLimits(1, 5120, 51200, 256)


@pytest.fixture
def apptainer(tmp_path: Path) -> Iterator[Apptainer]:
    with installed(tmp_path / "bin", setuid=True) as program:
        yield program


@pytest.fixture
async def make_backend(plugin_context: Any, apptainer: Apptainer) -> Make:
    async def make(**settings: Any) -> SingularityBackend:
        kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=()))
        given = {"program": str(apptainer.program), **settings}
        context = plugin_context(
            "singularity", settings=SingularitySettings(**given), sections={"hermes": kernel}
        )
        backend = SingularityBackend(context)
        await backend.open()
        return backend

    return make


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
