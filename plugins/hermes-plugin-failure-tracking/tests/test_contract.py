"""The plugin and its middleware pass their suites."""

from __future__ import annotations

import pytest

from hermes.testing import MiddlewareContract, PluginContract
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_failure_tracking.tracking import FailureTracking


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-failure-tracking"


class TestMiddleware(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context: MakeContext) -> FailureTracking:
        return FailureTracking(plugin_context("failure-tracking"))
