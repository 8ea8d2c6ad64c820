"""The plugin is whole, and its tool keeps the contract."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hermes import PluginContext, Tool
from hermes.testing import MakeContext, PluginContract, ToolContract

from hermes_plugin_acorn.settings import Settings
from hermes_plugin_acorn.tools import convert


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-acorn"


class TestTool(ToolContract):
    examples = {"acorn": {"value": 3, "unit": "m", "to": "ft"}}  # noqa: RUF012

    @pytest.fixture
    def tools(self) -> Sequence[Tool]:
        return (convert,)

    @pytest.fixture
    def context(self, plugin_context: MakeContext) -> PluginContext:
        return plugin_context("acorn", settings=Settings())
