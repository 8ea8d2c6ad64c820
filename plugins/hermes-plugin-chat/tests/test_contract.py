"""The chat as a plugin."""

from __future__ import annotations

import pytest

from hermes import Command
from hermes.testing import CommandContract, PluginContract
from hermes_plugin_chat.command import chat


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-chat"


class TestChat(CommandContract):
    @pytest.fixture
    def command(self) -> Command:
        return chat
