"""What is written while it runs, over a journal that grows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from hermes.testing import MakeContext, ScriptedProvider, make_key, open_runtime

from hermes_plugin_old_service.service import Figures
from hermes_plugin_old_service.settings import Settings


async def test_the_figures_follow_the_journal(tmp_path: Path, plugin_context: MakeContext) -> None:
    context = plugin_context("old-service", settings=Settings(seconds=0.01))
    file = context.paths.data / "figures.json"
    model = ScriptedProvider("Hello.")

    async with open_runtime(tmp_path, provider=model) as runtime:
        running = asyncio.ensure_future(Figures(context).run(runtime))
        await written(file, conversations=0)
        async for _ in runtime.session(make_key()).send("Hello"):
            pass
        await written(file, conversations=1)
        running.cancel()
        await asyncio.wait([running])

    assert running.cancelled()
    assert json.loads(file.read_text())["records"] > 0


async def written(file: Path, conversations: int) -> None:
    """Wait until the file says that there are so many."""
    async with asyncio.timeout(10):
        while not file.exists() or f'"conversations": {conversations}' not in file.read_text():
            await asyncio.sleep(0.01)
