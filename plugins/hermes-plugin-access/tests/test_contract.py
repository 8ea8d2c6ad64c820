"""The plugin, its middleware and its commands pass their suites."""

from __future__ import annotations

from typing import Any

import pytest

from hermes import Command, Group
from hermes.testing import CommandContract, MiddlewareContract, PluginContract
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_access.access import Access
from hermes_plugin_access.commands import link, pairing, whoami
from hermes_plugin_access.settings import SessionReset, Settings

SECTIONS: dict[str, Any] = {
    "access": Settings(allow={"fake": "*"}),
    "session_reset": SessionReset("idle"),
    "group_sessions_per_user": None,
    "thread_sessions_per_user": None,
    "unauthorized_dm_behavior": None,
}


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-access"


class TestMiddleware(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context: MakeContext) -> Access:
        return Access(plugin_context("access", sections=SECTIONS))


@pytest.mark.parametrize("command", [pairing, link, whoami], ids=["pairing", "link", "whoami"])
class TestCommands(CommandContract):
    @pytest.fixture
    def command(self, request: pytest.FixtureRequest) -> Command | Group:
        given: Command | Group = request.param
        return given
