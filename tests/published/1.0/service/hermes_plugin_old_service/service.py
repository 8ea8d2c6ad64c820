"""The service: it runs as long as the gateway does."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hermes import PluginContext, Service

if TYPE_CHECKING:
    from hermes.runtime import Runtime


class Figures(Service):
    """Writes what the journal holds, again and again.

    Whatever it raises means "start me again" to the gateway, which waits longer each time.
    """

    def __init__(self, context: PluginContext) -> None:
        self._paths = context.paths
        self._seconds: float = context.settings.seconds

    async def run(self, runtime: Runtime) -> None:
        while True:
            stats = await runtime.store.stats()
            figures = {
                "time": time.time_ns() // 1000,
                "conversations": stats.sessions,
                "records": stats.records,
                "bytes": stats.size,
            }
            await asyncio.to_thread(write, self._paths.data / "figures.json", figures)
            await asyncio.sleep(self._seconds)


def write(file: Path, figures: dict[str, int]) -> None:
    """Replace the file in one step: who reads it never sees half of it."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps(figures), "utf-8")
    new.replace(file)
