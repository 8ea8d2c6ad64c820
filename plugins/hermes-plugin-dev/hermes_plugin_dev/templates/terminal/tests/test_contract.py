"""The plugin is whole, and its terminals keep the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hermes import Terminal, TerminalSpec
from hermes.testing import MakeContext, PluginContract, TerminalContract

from hermes_plugin_acorn.rooms import Rooms
from hermes_plugin_acorn.settings import Settings

Open = Callable[[], Awaitable[Terminal]]


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-acorn"


class TestTerminal(TerminalContract):
    background = False
    keeps = False

    @pytest.fixture
    async def reopen(self, plugin_context: MakeContext) -> AsyncIterator[Open]:
        context = plugin_context("acorn", settings=Settings())
        opened: list[Terminal] = []

        async def reopen() -> Terminal:
            opened.append(await Rooms(context).terminal(TerminalSpec("test")))
            await opened[-1].open()
            return opened[-1]

        yield reopen
        for terminal in opened:
            await terminal.close()

    @pytest.fixture
    async def terminal(self, reopen: Open) -> Terminal:
        return await reopen()
