"""What is forgotten of a conversation is forgotten of its files, too."""

from __future__ import annotations

import asyncio
from typing import Any

from hermes import Erased, Event, Forgotten, Observer, PluginContext, SessionInfo
from hermes_plugin_checkpoints.store import Remembered


class Forgetting(Observer):
    """Drops what calls of forgotten turns changed, and the contents that nothing else holds."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def observe(self, session: SessionInfo, event: Event) -> None:
        folder = self._context.paths.data
        if not isinstance(event, Forgotten):
            return
        remembered = Remembered(folder, self._context.settings, self._context.paths.home)
        if remembered.git.program is None or not remembered.git.folder.is_dir():
            return
        turns = await self._left(event.session)
        await asyncio.to_thread(remembered.forget, event.session, turns)

    async def _left(self, session: str) -> set[str]:
        """Name the turns of which nothing was forgotten."""
        runtime: Any = self._context.runtime
        if runtime is None or await runtime.store.session(session) is None:
            return set()
        records = await runtime.store.records(session)
        gone = {record.turn for record in records if isinstance(record.body, Erased)}
        return {record.turn for record in records} - gone
