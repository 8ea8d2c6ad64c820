"""A terminal in a container keeps the contract, and lets nothing out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from hermes import Terminal
from hermes.testing import PluginContract, TerminalContract


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-docker"


class TestDocker(TerminalContract):
    isolated = True

    @pytest.fixture
    async def terminal(self, make_terminal) -> Terminal:
        return await make_terminal()

    @pytest.fixture
    def reopen(self, make_terminal) -> Callable[[], Awaitable[Terminal]]:
        return make_terminal
