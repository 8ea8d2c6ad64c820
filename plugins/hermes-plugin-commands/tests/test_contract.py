"""The commands as a plugin, and each as a command."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from hermes import Command, Group
from hermes.testing import CommandContract, PluginContract
from hermes_plugin_commands import hermes_commands


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-commands"


@pytest.mark.parametrize("offer", hermes_commands(), ids=lambda offer: offer.name)
class TestEach(CommandContract):
    @pytest.fixture
    def command(self, offer: Any) -> Command | Group:
        module, _, attribute = offer.target.partition(":")
        return getattr(import_module(module), attribute)
