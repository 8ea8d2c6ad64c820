"""Hears events and writes a line for each turn that ends."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from hermes import Event, Observer, PluginContext, SessionInfo, ToolFinished, TurnFinished

OPEN = 512
"""Conversations whose tools are remembered until their turn ends."""


class TurnLog(Observer):
    """One object hears every conversation of the process, in order within each."""

    def __init__(self, context: PluginContext) -> None:
        self._paths = context.paths
        self._tools: dict[str, list[str]] = {}

    async def observe(self, session: SessionInfo, event: Event) -> None:
        match event:
            case ToolFinished(tool=name):
                self._tools.setdefault(session.id, []).append(name)
                if len(self._tools) > OPEN:
                    del self._tools[next(iter(self._tools))]
            case TurnFinished():
                await asyncio.to_thread(self._write, self._line(session, event))

    def _line(self, session: SessionInfo, event: TurnFinished) -> dict[str, Any]:
        return {
            "time": time.time_ns() // 1000,
            "session": session.id,
            "status": event.status,
            "model": event.model,
            "input": event.usage.input,
            "output": event.usage.output,
            "tools": self._tools.pop(session.id, []),
        }

    def _write(self, line: dict[str, Any]) -> None:
        with (self._paths.data / "turns.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
