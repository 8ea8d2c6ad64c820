from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes_plugin_sqlite.store import SQLiteStore


class Log:
    """Keeps what was logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append(f"{event} {fields}")


@pytest.fixture
def context() -> Callable[[Path], Any]:
    """Make what the store takes of a context: paths and log."""
    return lambda home: SimpleNamespace(paths=SimpleNamespace(home=home), log=Log())


@pytest.fixture
async def store(tmp_path: Path, context: Callable[[Path], Any]) -> AsyncIterator[SQLiteStore]:
    """An open store in the test's folder."""
    store = SQLiteStore(context(tmp_path))
    await store.open()
    yield store
    await store.close()
