"""The plugin is whole and its tools keep the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hermes import PluginContext, Tool
from hermes.testing import CommandContract, PluginContract, ToolContract
from hermes_plugin_shell.ps import ps


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-shell"


class TestPs(CommandContract):
    @pytest.fixture
    def command(self) -> Any:
        return ps


class TestTools(ToolContract):
    examples = {  # noqa: RUF012
        "terminal": {"command": "echo hi", "timeout": "5"},
        "process": {"action": "list"},
    }

    @pytest.fixture
    def context(self, bench) -> PluginContext:
        return bench.context

    @pytest.fixture
    def call_terminal(self, bench) -> Any:
        return bench.terminal

    @pytest.fixture
    def tools(self, bench) -> Sequence[Tool]:
        return bench.shell.last_seen()
