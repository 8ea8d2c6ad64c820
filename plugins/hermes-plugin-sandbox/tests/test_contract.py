"""Both engines keep the contract of terminals; bubblewrap lets nothing out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from hermes import Terminal
from hermes.testing import PluginContract, TerminalContract


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-sandbox"


class TestBubblewrap(TerminalContract):
    isolated = True
    keeps = False

    @pytest.fixture
    async def terminal(self, make_terminal) -> Terminal:
        return await make_terminal("bwrap")

    @pytest.fixture
    def reopen(self, make_terminal) -> Callable[[], Awaitable[Terminal]]:
        return lambda: make_terminal("bwrap")


class TestLandlock(TerminalContract):
    keeps = False

    @pytest.fixture
    async def terminal(self, make_terminal) -> Terminal:
        return await make_terminal("landlock")

    @pytest.fixture
    def reopen(self, make_terminal) -> Callable[[], Awaitable[Terminal]]:
        return lambda: make_terminal("landlock")
