"""An in-memory store: a journal that is gone with the process, and never grows too large.

For a demonstration, or a bot that is to remember nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hermes import Append, Change, Conflict, PluginContext
from hermes.testing import MemoryStore


class PassingStore(MemoryStore):
    """Forgets the conversation that was idle longest when there are more than *most*."""

    def __init__(self, context: PluginContext, most: int = 1_000) -> None:
        super().__init__()
        self._most = most

    async def commit(self, changes: Sequence[Change]) -> None:
        await super().commit(changes)
        if any(isinstance(change, Append) and change.after == 0 for change in changes):
            await self._make_room()

    async def _make_room(self) -> None:
        listed = await self.sessions(limit=10 * self._most)
        for session in reversed(listed[self._most :]):
            try:
                await self.erase([session.id], "there was no more room")
            except Conflict:  # a turn runs there
                await asyncio.sleep(0)
