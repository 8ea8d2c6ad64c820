"""The events of a run, in the words of Hermes Agent's API."""

from __future__ import annotations

import time
from typing import Any

from hermes import (
    Answered,
    Asked,
    Event,
    Notice,
    PluginEvent,
    TextChunk,
    ThinkingChunk,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    TurnFinished,
)
from hermes_plugin_api_server.items import usage_of
from hermes_plugin_api_server.sse import event


def written(run: str, heard: Event) -> bytes | None:
    """Write an event; None for one that no client needs."""
    said = _said(heard)
    if said is None:
        return None
    return event({**said, "run_id": run, "timestamp": time.time()})


def _said(heard: Event) -> dict[str, Any] | None:
    match heard:
        case TextChunk():
            return {"event": "message.delta", "delta": heard.text}
        case ThinkingChunk():
            return {"event": "reasoning.delta", "delta": heard.text}
        case ToolStarted():
            said = {"tool": heard.tool, "id": heard.id, "preview": heard.arguments[:200]}
            return {"event": "tool.started", **said, "arguments": heard.arguments}
        case ToolProgress():
            return {"event": "tool.progress", "id": heard.id, "text": heard.text}
        case ToolFinished():
            ended = {"error": heard.is_error, "duration": round(heard.elapsed, 3)}
            said = {"tool": heard.tool, "id": heard.id, "output": heard.text}
            return {"event": "tool.completed", **said, **ended}
        case Asked():
            asked = {"id": heard.id, "text": heard.text, "choices": heard.choices}
            return {"event": "approval.request", **asked, "purpose": heard.purpose}
        case Answered():
            return {"event": "approval.responded", "id": heard.id, "choice": heard.choice}
        case Notice():
            return {"event": "notice", "text": heard.text}
        case PluginEvent() if heard.text:
            return {"event": "notice", "text": heard.text, "plugin": heard.plugin}
        case TurnFinished():
            return _ended(heard)
    return None


def _ended(heard: TurnFinished) -> dict[str, Any]:
    usage = usage_of(heard.usage)
    if heard.status == "ok":
        return {"event": "run.completed", "output": heard.reply, "usage": usage}
    name = "run.cancelled" if heard.status == "cancelled" else "run.failed"
    return {"event": name, "error": heard.reply, "usage": usage}
