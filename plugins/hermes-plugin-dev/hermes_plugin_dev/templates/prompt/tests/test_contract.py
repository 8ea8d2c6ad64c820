"""The plugin is whole, and its section keeps the contract."""

from __future__ import annotations

import pytest
from hermes import PromptSection
from hermes.testing import MakeContext, PluginContract, PromptContract

from hermes_plugin_acorn.section import HouseRules
from hermes_plugin_acorn.settings import Settings


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-acorn"


class TestSection(PromptContract):
    @pytest.fixture
    def section(self, plugin_context: MakeContext) -> PromptSection:
        context = plugin_context("acorn", settings=Settings(("Be brief.",)))
        return HouseRules(context)
