"""The plugin is whole and its tool keeps the contract."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hermes import Tool
from hermes.testing import PluginContract, ToolContract
from hermes_plugin_todo.todo import todo


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-todo"


class TestTools(ToolContract):
    limit = 800
    examples = {"todo": {"todos": [{"id": "1", "content": "x"}]}}  # noqa: RUF012

    @pytest.fixture
    def tools(self) -> Sequence[Tool]:
        return (todo,)
