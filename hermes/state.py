"""`context.state`: a plugin's small durable values, through the journal (§4.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hermes.context import Scope, State
from hermes.errors import StoreError
from hermes.identity import now
from hermes.store import SetState, Store

LARGEST = 65_536
"""Bytes of JSON one value may have; larger things belong into ``context.paths.data``."""


class StoredState(State):
    """The values of one plugin."""

    def __init__(self, plugin: str, store: Callable[[], Store]) -> None:
        self._plugin = plugin
        self._store = store

    async def get(self, name: str, *, scope: Scope = "process", of: str = "") -> Any:
        kept = await self._store().state(scope, of, f"{self._plugin}/{name}")
        return None if kept is None else msgspec.json.decode(kept)

    async def set(
        self,
        name: str,
        value: Any,
        *,
        scope: Scope = "process",
        of: str = "",
        seconds: float | None = None,
    ) -> None:
        kept = None if value is None else msgspec.json.encode(value)
        if kept is not None and len(kept) > LARGEST:
            raise StoreError(
                f"plugin {self._plugin}: state {name!r} has {len(kept)} bytes of at most {LARGEST};"
                " keep it in a file under context.paths.data"
            )
        until = None if seconds is None else now() + int(seconds * 1e6)
        await self._store().commit((SetState(scope, of, f"{self._plugin}/{name}", kept, until),))
