"""The plugin is whole, and its command keeps the contract."""

from __future__ import annotations

import pytest
from hermes import Command
from hermes.testing import CommandContract, PluginContract

from hermes_plugin_acorn.commands import notes


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-acorn"


class TestCommand(CommandContract):
    @pytest.fixture
    def command(self) -> Command:
        return notes
