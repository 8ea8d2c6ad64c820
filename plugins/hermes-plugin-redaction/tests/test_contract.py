"""The plugin and its middleware pass their suites."""

from __future__ import annotations

import pytest

from hermes.testing import MiddlewareContract, PluginContract
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_redaction.middleware import Redaction
from hermes_plugin_redaction.settings import Settings


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-redaction"


class TestMiddleware(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context: MakeContext) -> Redaction:
        return Redaction(plugin_context("redaction", settings=Settings()))
