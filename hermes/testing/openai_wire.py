"""How OpenAI says an answer: server-sent events, whole completions, errors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hermes.messages import Usage
from hermes.testing.answers import Call, Fail, Say
from hermes.testing.openai_rules import Refusal

FINISH = {"end": "stop", "tools": "tool_calls", "length": "length", "filter": "content_filter"}
FAILURES: dict[str, tuple[int, str, str | None, str]] = {
    "auth": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "quota": (429, "insufficient_quota", "insufficient_quota",
              "You exceeded your current quota, please check your plan and billing details."),
    "bad_request": (400, "invalid_request_error", None, "Invalid request."),
    "context_overflow": (400, "invalid_request_error", "context_length_exceeded",
                         "This model's maximum context length is 8192 tokens."),
    "content_filter": (400, "invalid_request_error", "content_filter",
                       "The prompt triggered our content management policy."),
    "rate_limit": (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    "timeout": (408, "server_error", None, "Request timed out."),
    "transient": (503, "server_error", None, "The server is currently overloaded."),
}  # fmt: skip
"""Kind of failure to status, type, code and text."""
CREATED = 1_700_000_000


class Raw(msgspec.Struct, frozen=True):
    """Exactly these bytes as the body, for what no well-behaved vendor sends."""

    body: bytes
    status: int = 200
    content_type: str = "text/event-stream"
    cut: bool = False
    """The connection goes before the body has ended."""


@dataclass
class Exchange:
    """One request, and what became of it."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    json: dict[str, Any] = field(default_factory=dict)
    status: int = 0
    """What was answered."""
    disconnected: bool = False
    """The client went before the answer had ended."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)


def as_refusal(fail: Fail) -> Refusal:
    """Say *fail* as OpenAI would."""
    status, type, code, text = FAILURES.get(fail.kind, (500, "server_error", None, fail.kind))
    refusal = Refusal(fail.message or text, status=fail.status or status, code=code, type=type)
    if fail.retry_after is not None:
        refusal.headers["retry-after"] = f"{fail.retry_after:g}"
    return refusal


def _call_id(exchange: Exchange, call: Call, place: int) -> str:
    asked = sum(len(m.get("tool_calls") or ()) for m in exchange.json["messages"])
    return call.id or f"call_{asked + place}"


def _chunk(exchange: Exchange, choices: list[Any]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": exchange.json["model"],
        "system_fingerprint": "fp_test",
        "choices": choices,
        "usage": None,
    }


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def events(exchange: Exchange, say: Say) -> Iterator[bytes | None]:
    """Make the data of each server-sent event; None where the answer is held back."""

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return msgspec.json.encode(_chunk(exchange, [choice]))

    yield event({"role": "assistant", "content": ""})
    if say.thinking:
        yield event({"reasoning_content": say.thinking})
    pieces = say.pieces
    for place, piece in enumerate(pieces):
        if place == say.hold_after:
            yield None
        yield event({"content": piece})
    if say.hold_after >= len(pieces):
        yield None
    for place, call in enumerate(say.calls):
        half = len(call.arguments) // 2
        start = {"index": place, "id": _call_id(exchange, call, place), "type": "function"}
        yield event({"tool_calls": [{**start, "function": {"name": call.name, "arguments": ""}}]})
        for part in (call.arguments[:half], call.arguments[half:]):
            yield event({"tool_calls": [{"index": place, "function": {"arguments": part}}]})
    if say.cut:
        return
    yield event({}, FINISH[say.stops])
    if (exchange.json.get("stream_options") or {}).get("include_usage"):
        usage = _usage(say.used(len(exchange.raw)))
        yield msgspec.json.encode({**_chunk(exchange, []), "usage": usage})


def whole(exchange: Exchange, say: Say) -> dict[str, Any]:
    """Make the answer to a request that does not stream."""
    calls = [
        {
            "id": _call_id(exchange, call, place),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for place, call in enumerate(say.calls)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": say.whole or None, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH[say.stops]}
    return {
        **_chunk(exchange, [choice]),
        "object": "chat.completion",
        "usage": _usage(say.used(len(exchange.raw))),
    }
