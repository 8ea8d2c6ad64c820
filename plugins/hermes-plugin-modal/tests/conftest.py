"""Terminals in sandboxes of a Modal that stands on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import TerminalLimits, TerminalSpec
from hermes.testing import modal
from hermes_plugin_modal.backend import ModalBackend
from hermes_plugin_modal.settings import ModalSettings

Make = Callable[..., Awaitable[Any]]
LIMITS = TerminalLimits(1, 5120, 51200, 256)


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[modal.Cloud]:
    monkeypatch.setenv("MODAL_CONFIG_PATH", str(tmp_path / "none.toml"))
    async with modal.serve(tmp_path / "cloud") as running:
        monkeypatch.setenv("MODAL_SERVER_URL", running.url)
        yield running


@pytest.fixture
async def make_backend(make_context: Any, cloud: modal.Cloud) -> AsyncIterator[Make]:
    opened: list[ModalBackend] = []

    async def make(*, secret: str = "", **settings: Any) -> ModalBackend:
        backend = ModalBackend(make_context(ModalSettings(**settings), cloud, secret))
        await backend.open()
        opened.append(backend)
        return backend

    yield make
    for backend in opened:
        await backend.close()


@pytest.fixture
def make_context(plugin_context: Any) -> Any:
    """Contexts of one home: what one keeps in its state, the next finds."""
    kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=()))
    states: list[Any] = []

    def make(settings: ModalSettings, cloud: modal.Cloud, secret: str = "") -> Any:
        context = plugin_context(
            "modal",
            settings=settings,
            sections={"hermes": kernel},
            secrets={
                "MODAL_TOKEN_ID": cloud.token_id,
                "MODAL_TOKEN_SECRET": secret or cloud.token_secret,
            },
            variables={"MODAL_SERVER_URL": cloud.url},
            state=states[0] if states else None,
        )
        states.append(context.state)
        return context

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
