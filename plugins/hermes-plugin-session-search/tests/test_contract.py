"""The plugin is whole and its tool keeps the contract."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hermes import Tool
from hermes.testing import PluginContract, ToolContract
from hermes_plugin_session_search.tool import session_search


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-session-search"


class TestTools(ToolContract):
    limit = 1_400

    @pytest.fixture
    def tools(self) -> Sequence[Tool]:
        return (session_search,)
