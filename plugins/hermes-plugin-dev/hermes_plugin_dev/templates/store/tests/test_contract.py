"""The plugin is whole, and its store keeps the contract."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hermes import Store
from hermes.testing import PluginContract, StoreContract

from hermes_plugin_acorn.store import LineStore


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-acorn"


class TestStore(StoreContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: LineStore(tmp_path / "journal.jsonl")
