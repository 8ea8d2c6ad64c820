"""The plugin is whole and its tools keep the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hermes import PluginContext, Tool
from hermes.testing import PluginContract, ToolContract


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-files"


class TestTools(ToolContract):
    examples = {  # noqa: RUF012
        "write_file": {"path": "a.txt", "content": "x"},
        "read_file": {"path": "a.txt", "limit": "5"},
        "patch": {"path": "a.txt", "old_string": "x", "new_string": "y"},
        "search_files": {"pattern": "y"},
        "send_file": {"path": "a.txt"},
    }

    @pytest.fixture
    def context(self, bench) -> PluginContext:
        return bench.context

    @pytest.fixture
    def call_terminal(self, bench) -> Any:
        return bench.terminal

    @pytest.fixture
    def tools(self, bench) -> Sequence[Tool]:
        return bench.files.last_seen()
