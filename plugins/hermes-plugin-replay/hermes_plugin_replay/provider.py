"""The provider ``replay``: answers that were recorded, in order, without a key or a network."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec

from hermes import Failed, ModelInfo, ModelRequest, ModelResponse, PluginContext, Provider
from hermes_plugin_replay.recording import Player, read
from hermes_plugin_replay.settings import ReplaySettings

DEMO = "demo"
"""Name of the recording that comes with this plugin."""


class ReplayProvider(Provider):
    """Plays ``replay:FILE``. A file without a path may also lie in the plugin's data folder."""

    def __init__(self, context: PluginContext) -> None:
        self._settings: ReplaySettings = context.settings or ReplaySettings()
        self._data = context.paths.data
        self._redact = context.secrets.redact
        self._players: dict[Path, Player] = {}
        self._reading = asyncio.Lock()

    async def stream(self, request: ModelRequest) -> ModelResponse:
        """Give the next answer. Raises `Failed` where the request is not the recorded one."""
        player = await self._player(request.spec.model.partition(":")[2] or DEMO)
        entry = player.next(request.spec)
        for piece in entry.thinking:
            request.thinking(piece)
        text = entry.response.text if entry.response is not None else ""
        for piece in entry.chunks or re.findall(r"\s*\S+\s*\Z|\s*\S+|\s+\Z", text):
            request.chunk(piece)
            await asyncio.sleep(0)
        if entry.failure is not None:
            raise Failed(entry.failure)
        assert entry.response is not None, "read() takes no line without either"
        return msgspec.structs.replace(entry.response, model=request.spec.model)

    async def models(self) -> tuple[ModelInfo, ...]:
        """List the recordings in the data folder, and the one that comes with the plugin."""
        found = await asyncio.to_thread(lambda: sorted(self._data.glob("*.jsonl")))
        named = [ModelInfo(path.name, summary="A recording") for path in found]
        return (ModelInfo(DEMO, summary="A scripted task; its tools run for real"), *named)

    def default(self) -> str:
        return DEMO

    async def _player(self, name: str) -> Player:
        path = self._find(name)
        async with self._reading:
            if path not in self._players:
                entries = await asyncio.to_thread(read, path)
                self._players[path] = Player(path, entries, self._settings.check, self._redact)
            return self._players[path]

    def _find(self, name: str) -> Path:
        if name == DEMO:
            return Path(__file__).with_name("demo.jsonl")
        path = Path(name).expanduser()
        kept = self._data / path
        return kept if kept.exists() and not path.exists() else path.absolute()
