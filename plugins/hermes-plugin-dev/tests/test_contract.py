"""The plugin is whole and its commands keep the contract."""

from __future__ import annotations

import pytest

from hermes import Command
from hermes.testing import CommandContract, PluginContract
from hermes_plugin_dev.check import check
from hermes_plugin_dev.install import install, remove, search, update
from hermes_plugin_dev.new import new


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-dev"


class TestCommands(CommandContract):
    @pytest.fixture(params=[new, check, install, update, remove, search], ids=lambda one: one.name)
    def command(self, request: pytest.FixtureRequest) -> Command:
        made: Command = request.param
        return made
