"""The plugin is whole, and its tool keeps the contract."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hermes import PluginContext, Tool
from hermes.testing import MakeContext, PluginContract, ToolContract

from hermes_plugin_weather.settings import Settings
from hermes_plugin_weather.tools import forecast


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-weather"


class TestTool(ToolContract):
    examples = {"forecast": {"place": "Berlin", "days": 1}}  # noqa: RUF012

    @pytest.fixture
    def tools(self) -> Sequence[Tool]:
        return (forecast,)

    @pytest.fixture
    def context(self, plugin_context: MakeContext, settings: Settings) -> PluginContext:
        return plugin_context("weather", settings=settings)
