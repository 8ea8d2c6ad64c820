"""The plugin is whole and its command keeps the contract."""

from __future__ import annotations

import pytest

from hermes import Command
from hermes.testing import CommandContract, PluginContract
from hermes_plugin_doctor.doctor import doctor


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-doctor"


class TestCommand(CommandContract):
    @pytest.fixture
    def command(self) -> Command:
        return doctor
