"""The local terminal, and the kit's, keep the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from hermes import Terminal
from hermes.testing import FakeTerminal, PluginContract, TerminalContract


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-local-terminal"


class TestLocalTerminal(TerminalContract):
    @pytest.fixture
    async def terminal(self, make_terminal) -> Terminal:
        return await make_terminal()

    @pytest.fixture
    def reopen(self, make_terminal) -> Callable[[], Awaitable[Terminal]]:
        return make_terminal


class TestFakeTerminal(TerminalContract):
    kills_sessions = False
    keeps = False
    persists = False

    @pytest.fixture
    async def terminal(self, tmp_path: Path) -> AsyncIterator[Terminal]:
        folder = tmp_path / "work"
        folder.mkdir()
        terminal = FakeTerminal(folder)
        yield terminal
        await terminal.close()
