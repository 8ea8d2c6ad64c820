"""The plugin is whole, and its memory keeps the contract."""

from __future__ import annotations

import pytest
from hermes import Memory
from hermes.testing import MakeContext, MemoryContract, PluginContract

from hermes_plugin_acorn.memory import FileMemory
from hermes_plugin_acorn.settings import Settings


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-acorn"


class TestMemory(MemoryContract):
    @pytest.fixture
    def memory(self, plugin_context: MakeContext) -> Memory:
        context = plugin_context("acorn", settings=Settings())
        return FileMemory(context)
