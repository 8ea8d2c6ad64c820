"""The Singularity terminal keeps the contract, through the program's command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from hermes import Terminal
from hermes.testing import PluginContract, TerminalContract


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-singularity"


class TestSingularityTerminal(TerminalContract):
    isolated = True

    @pytest.fixture
    async def terminal(self, make_terminal) -> Terminal:
        return await make_terminal(network=False)

    @pytest.fixture
    def reopen(self, make_terminal) -> Callable[[], Awaitable[Terminal]]:
        return partial(make_terminal, network=False)
