"""The plugin is whole, and its middleware keeps the contract."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hermes import Middleware
from hermes.testing import MemoryStore, MiddlewareContract, PluginContract
from hermes_plugin_nudges.middleware import Nudges
from hermes_plugin_nudges.settings import Settings


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-nudges"


class TestNudges(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context) -> Middleware:
        context = plugin_context("nudges", settings=Settings(delay=60))
        context.runtime = SimpleNamespace(store=MemoryStore())
        return Nudges(context)
