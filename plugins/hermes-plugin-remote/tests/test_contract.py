"""A terminal at the end of a program keeps the contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from hermes import Terminal
from hermes.testing import PluginContract, TerminalContract


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-remote"


class TestCommandTerminal(TerminalContract):
    @pytest.fixture
    async def terminal(self, make_terminal) -> Terminal:
        return await make_terminal()

    @pytest.fixture
    def reopen(self, make_terminal) -> Callable[[], Awaitable[Terminal]]:
        return make_terminal
