"""Sandboxes on this machine, each closed when its test ends."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import Terminal, TerminalSpec
from hermes.testing.servers import need
from hermes_plugin_sandbox import landlock
from hermes_plugin_sandbox.backend import SandboxBackend
from hermes_plugin_sandbox.settings import SandboxSettings

Make = Callable[..., Awaitable[Terminal]]


@pytest.fixture
def make_backend(plugin_context) -> Callable[..., SandboxBackend]:
    def make(
        engine: str = "bwrap", passed: tuple[str, ...] = (), **settings: Any
    ) -> SandboxBackend:
        if engine == "bwrap":
            need("bwrap", apt="bubblewrap")
        elif landlock.version() < landlock.NEEDED:
            pytest.skip("this kernel has no Landlock of version 4")
        kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=passed))
        context = plugin_context(
            "sandbox",
            settings=SandboxSettings(engine=engine, **settings),
            sections={"hermes": kernel},
        )
        return SandboxBackend(context)

    return make


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
async def make_terminal(make_backend, workspace: Path) -> AsyncIterator[Make]:
    opened: list[Terminal] = []

    async def make(
        engine: str = "bwrap", *, spec: TerminalSpec | None = None, **settings: Any
    ) -> Terminal:
        backend = make_backend(engine, **settings)
        terminal = await backend.terminal(spec or TerminalSpec("test", str(workspace)))
        await terminal.open()
        opened.append(terminal)
        return terminal

    yield make
    for terminal in opened:
        await terminal.close()


@pytest.fixture
async def terminal(make_terminal: Make) -> Terminal:
    return await make_terminal()


NOBODY = 65534
ROOT = os.geteuid() == 0
