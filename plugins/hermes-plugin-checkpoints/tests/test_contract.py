"""The plugin, its middleware and its commands pass their suites."""

from __future__ import annotations

import pytest

from hermes.testing import MiddlewareContract, PluginContract
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_checkpoints.middleware import Checkpoints
from hermes_plugin_checkpoints.settings import Settings


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-checkpoints"


class TestMiddleware(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context: MakeContext) -> Checkpoints:
        return Checkpoints(plugin_context("checkpoints", settings=Settings()))
