"""An answer, put together from what comes piece by piece."""

from __future__ import annotations

from typing import Any

from hermes import (
    Content,
    Failed,
    Failure,
    ModelRequest,
    ModelResponse,
    Stop,
    Text,
    Thinking,
    ToolUse,
    Usage,
)

from hermes_plugin_old_provider.failures import SOURCE

STOPS: dict[str, Stop] = {
    "stop": "end",
    "tool_calls": "tools",
    "length": "length",
    "content_filter": "filter",
}


class Answer:
    """Takes events, tells the listeners, and gives the whole."""

    def __init__(self, request: ModelRequest) -> None:
        self._request = request
        self._text: list[str] = []
        self._thought: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._finish = ""
        self._usage = Usage(calls=1)

    def take(self, event: dict[str, Any]) -> None:
        if said := event.get("usage"):
            cached = (said.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            self._usage = Usage(
                said["prompt_tokens"], said["completion_tokens"], cache_read=cached, calls=1
            )
        for choice in event.get("choices") or ():
            self._finish = choice.get("finish_reason") or self._finish
            self._delta(choice.get("delta") or {})

    def _delta(self, delta: dict[str, Any]) -> None:
        if thought := delta.get("reasoning_content"):
            self._thought.append(thought)
            self._request.thinking(thought)
        if text := delta.get("content"):
            self._text.append(text)
            self._request.chunk(text)
        for piece in delta.get("tool_calls") or ():
            call = self._calls.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
            call["id"] = piece.get("id") or call["id"]
            for part, value in (piece.get("function") or {}).items():
                call[part] = call.get(part, "") + (value or "")

    def response(self) -> ModelResponse:
        """Give the answer. Raises Failed for one that did not come to its end."""
        if self._finish not in STOPS:
            raise Failed(Failure("transient", "the answer was cut off", SOURCE))
        parts: list[Content] = []
        if self._thought:
            parts.append(Thinking("".join(self._thought)))
        if self._text:
            parts.append(Text("".join(self._text)))
        for _, call in sorted(self._calls.items()):
            parts.append(ToolUse(call["id"], call["name"], call["arguments"]))
        stop = "tools" if self._calls else STOPS[self._finish]
        return ModelResponse(tuple(parts), self._request.spec.model, self._usage, stop)
