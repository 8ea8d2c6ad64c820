"""The plugin, its middleware and its command pass their suites."""

from __future__ import annotations

import pytest

from hermes import Command, Group
from hermes.testing import CommandContract, MiddlewareContract, PluginContract
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_approvals.commands import approvals
from hermes_plugin_approvals.policy import Approvals
from hermes_plugin_approvals.settings import Settings


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-approvals"


class TestMiddleware(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context: MakeContext) -> Approvals:
        return Approvals(plugin_context("approvals", settings=Settings()))


class TestCommand(CommandContract):
    @pytest.fixture
    def command(self) -> Command | Group:
        return approvals
