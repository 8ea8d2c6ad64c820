from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hermes.testing import PluginContract, StoreContract
from hermes.testing.contracts.store import MakeStore
from hermes_plugin_sqlite.store import SQLiteStore


class TestSQLiteStore(StoreContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path, context: Any) -> MakeStore:
        return lambda: SQLiteStore(context(tmp_path))


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-sqlite"
