"""The plugin and its middleware pass their suites."""

from __future__ import annotations

import pytest

from hermes.testing import MiddlewareContract, PluginContract
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_retry.retry import Retry
from hermes_plugin_retry.settings import Settings


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-retry"


class TestMiddleware(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context: MakeContext) -> Retry:
        return Retry(plugin_context("retry", settings=Settings()))
