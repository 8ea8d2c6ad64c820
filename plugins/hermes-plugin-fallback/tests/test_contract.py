"""The plugin and its middleware pass their suites."""

from __future__ import annotations

import pytest

from hermes.testing import MiddlewareContract, PluginContract
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_fallback.fallback import Fallback

SECTIONS = {"fallback": ["fake:second"], "fallback_providers": [], "fallback_model": None}


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-fallback"


class TestMiddleware(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context: MakeContext) -> Fallback:
        return Fallback(plugin_context("fallback", sections=SECTIONS))
