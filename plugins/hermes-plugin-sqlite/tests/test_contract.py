from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hermes import Append, Record, Store, UserSaid
from hermes.testing import PluginContract, StoreContract
from hermes.testing.contracts.store import MakeStore
from hermes_plugin_sqlite.database import MEMORY
from hermes_plugin_sqlite.store import IncognitoStore, SQLiteStore


class TestSQLiteStore(StoreContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path, context: Any) -> MakeStore:
        return lambda: SQLiteStore(context(tmp_path))


class TestIncognitoStore(StoreContract):
    """In memory: a second store on the same data is another connection to it."""

    async def test_what_is_committed_outlives_the_store(
        self, store: Store, make_store: MakeStore
    ) -> None:
        """Here it does not: the last to close takes it along."""
        await store.commit([Append("s", (Record("t", UserSaid(text="remember")),))])
        second = make_store()
        await second.open()
        await store.close()
        assert len(await second.records("s")) == 1
        await second.close()
        after = make_store()
        await after.open()
        assert await after.records("s") == []
        await after.close()

    async def test_it_touches_no_disk(self, store: Store, tmp_path: Path) -> None:
        await store.commit([Append("s", (Record("t", UserSaid(text="remember")),))])
        assert list(tmp_path.rglob("*")) == []
        assert not MEMORY.exists()

    @pytest.fixture
    def make_store(self, tmp_path: Path, context: Any) -> MakeStore:
        first = IncognitoStore(context(tmp_path))
        made = iter([first])

        def make() -> Store:
            store = next(made, None) or IncognitoStore(context(tmp_path))
            store._file = store._writer._file = first._file
            return store

        return make


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-sqlite"
