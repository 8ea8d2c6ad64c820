"""An answer put together from llama.cpp's chunks, and its errors classified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hermes import (
    Content,
    Failed,
    Failure,
    ModelRequest,
    ModelResponse,
    Text,
    Thinking,
    ToolUse,
    Usage,
    clean,
    one_line,
)

if TYPE_CHECKING:
    from hermes.errors import FailureKind
    from hermes.provider import Stop

SOURCE = "local"
STOPS: Mapping[str, Stop] = {"stop": "end", "length": "length", "tool_calls": "tools"}
KINDS: Mapping[str, FailureKind] = {
    "exceed_context_size_error": "context_overflow",
    "invalid_request_error": "bad_request",
    "not_supported_error": "bad_request",
    "unavailable_error": "transient",
}
"""The types of error of llama.cpp's server (``format_error_response``); others are bugs."""


class Assembly:
    """Collects an answer, telling *request*'s listeners each piece as it comes."""

    def __init__(self, request: ModelRequest, model: str) -> None:
        self._request = request
        self._model = model
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._finish = ""
        self._usage = Usage(calls=1)

    def feed(self, chunk: dict[str, Any]) -> None:
        """Take one chunk. Raises `Failed` where it is an error."""
        if error := chunk.get("error"):
            raise Failed(failure(error, self._model))
        if usage := chunk.get("usage"):
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            self._usage = Usage(
                usage["prompt_tokens"], usage["completion_tokens"], cache_read=cached, calls=1
            )
        for choice in chunk.get("choices") or ():
            self._take(choice.get("delta") or {})
            self._finish = choice.get("finish_reason") or self._finish

    def _take(self, delta: dict[str, Any]) -> None:
        if thought := clean(delta.get("reasoning_content") or ""):
            self._thinking.append(thought)
            self._request.thinking(thought)
        if text := clean(delta.get("content") or ""):
            self._text.append(text)
            self._request.chunk(text)
        for piece in delta.get("tool_calls") or ():
            call = self._calls.setdefault(piece["index"], {"id": "", "name": "", "arguments": ""})
            call["id"] = piece.get("id") or call["id"]
            function = piece.get("function") or {}
            call["name"] += function.get("name") or ""
            call["arguments"] += function.get("arguments") or ""

    def response(self) -> ModelResponse:
        """Give the whole answer. Raises `Failed` where it was cut."""
        if not self._finish:
            said = f"{self._model} stopped before its answer ended."
            raise Failed(Failure("transient", said, SOURCE))
        parts: list[Content] = []
        if self._thinking:
            parts.append(Thinking("".join(self._thinking)))
        if self._text:
            parts.append(Text("".join(self._text)))
        for place, call in self._calls.items():
            id = call["id"] or f"call_{self._request.spec.step}_{place}"
            parts.append(ToolUse(clean(id), clean(call["name"]), clean(call["arguments"])))
        stop: Stop = "tools" if self._calls else STOPS.get(self._finish, "end")
        if self._finish == "length":
            stop = "length"
        return ModelResponse(tuple(parts), self._model, self._usage, stop)


def failure(error: Mapping[str, Any], model: str) -> Failure:
    """Classify an error that came as a chunk."""
    kind = KINDS.get(str(error.get("type")), "internal")
    said = one_line(Exception(clean(str(error.get("message") or "no reason given"))))
    said = f"{model}: {said.removeprefix('Exception: ')}"
    if kind == "context_overflow" and "n_prompt_tokens" in error:
        said = (
            f"The conversation has {error['n_prompt_tokens']} tokens, and {model} takes"
            f" {error['n_ctx']}: begin a new one, or use a model with a larger window."
        )
    code = error.get("code")
    return Failure(kind, said, SOURCE, code if isinstance(code, int) else None)
