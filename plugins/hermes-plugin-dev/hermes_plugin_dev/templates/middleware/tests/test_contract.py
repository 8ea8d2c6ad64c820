"""The plugin is whole, and its middleware keeps the contract."""

from __future__ import annotations

import pytest
from hermes import Middleware
from hermes.testing import MakeContext, MiddlewareContract, PluginContract

from hermes_plugin_acorn.pace import Pace
from hermes_plugin_acorn.settings import Settings


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-acorn"


class TestMiddleware(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context: MakeContext) -> Middleware:
        context = plugin_context("acorn", settings=Settings())
        return Pace(context)
