"""``POST /v1/chat/completions``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hermes import (
    Notice,
    TextChunk,
    ThinkingChunk,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    Usage,
)
from hermes_plugin_api_server.errors import bad, failed, json_response
from hermes_plugin_api_server.places import Place, Who, headers_of
from hermes_plugin_api_server.prompt import Prompt, WireMessage, prompt, read, said
from hermes_plugin_api_server.sse import DONE, Later, Stream, event
from hermes_plugin_api_server.turns import Turn

if TYPE_CHECKING:
    from hermes_plugin_api_server.api import API


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = False


class ChatRequest(msgspec.Struct, frozen=True):
    """The body. What is not here (sampling, the client's own tools) has no effect."""

    messages: list[WireMessage]
    model: str = ""
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = 1
    response_format: dict[str, Any] | None = None
    tool_choice: Any = None


async def complete(api: API, request: Request) -> Later | Stream:
    """Answer one request: a turn of the conversation that it belongs to."""
    body = read(await request.body(), ChatRequest)
    if not body.messages:
        raise bad("There are no messages.", param="messages")
    if (body.n or 1) != 1:
        raise bad("One answer at a time (n = 1).", param="n")
    if body.response_format and body.response_format.get("type") != "text":
        raise bad("Only answers in text are given.", param="response_format")
    if body.tool_choice not in (None, "auto", "none"):
        raise bad("Tools are Hermes's own and cannot be demanded.", param="tool_choice")
    asked = prompt(said(body.messages))
    who = api.places.who(request.headers)
    place = await api.places.named(who, who.session) if who.session else None
    place = place or await api.places.matching(who, asked)
    turn = api.begin(place, who, asked, model=body.model)
    made = _Completion(api, who, place, asked, turn, api.shown(body.model))
    if body.stream:
        usage = body.stream_options is not None and body.stream_options.include_usage
        return Stream(made.stream(usage), turn.stop, headers_of(place))
    return Later(made.whole(), turn.stop)


class _Completion:
    """One answer in the shapes of chat completions."""

    def __init__(
        self, api: API, who: Who, place: Place, asked: Prompt, turn: Turn, model: str
    ) -> None:
        self._api, self._who, self._place, self._asked = api, who, place, asked
        self._turn = turn
        self._head = {
            "id": f"chatcmpl-{api.token()}",
            "created": int(time.time()),
            "model": model,
        }

    async def whole(self) -> Response:
        finished = await self._turn.ended()
        if finished.status != "ok":
            raise failed(finished)
        self._remember(finished.reply)
        message = {"role": "assistant", "content": finished.reply, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        body = {
            **self._head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": usage_of(finished.usage),
        }
        return json_response(body, headers=headers_of(self._place))

    async def stream(self, with_usage: bool) -> AsyncIterator[bytes]:
        yield self._chunk({"role": "assistant", "content": ""})
        text, step = "", 0
        async for heard in self._turn.events():
            match heard:
                case TextChunk():
                    gap = "\n\n" if text and heard.step != step else ""
                    step, piece = heard.step, gap + heard.text
                    text += piece
                    yield self._chunk({"content": piece})
                case ThinkingChunk():
                    yield self._chunk({"reasoning_content": heard.text})
                case ToolStarted() | ToolFinished():
                    yield self._chunk({}, name="hermes.tool.progress", **_progress(heard))
                case Notice():
                    yield self._chunk({}, name="hermes.notice", notice=heard.text)
                case TurnFinished(status="ok"):
                    if not text:
                        text = heard.reply
                        yield self._chunk({"content": text})
                    self._remember(text)
                    yield self._chunk({}, finish="stop")
                    if with_usage:
                        yield self._chunk(None, usage=usage_of(heard.usage))
                    yield DONE
                case TurnFinished():
                    yield event({"error": failed(heard).body})
                    yield DONE

    def _chunk(
        self, delta: dict[str, Any] | None, *, finish: str = "", name: str = "", **more: Any
    ) -> bytes:
        """Write a chunk. Events of our own are chunks too, with nothing new in them: the official
        clients take every event for one.
        """
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish or None}
        choices = [choice] if delta is not None else []
        body = {**self._head, "object": "chat.completion.chunk", "choices": choices, **more}
        return event(body, name)

    def _remember(self, answer: str) -> None:
        if not self._who.session:
            info = self._place.conversation.info
            self._api.places.remember(self._who, self._asked, answer, info)


def _progress(heard: ToolStarted | ToolFinished) -> dict[str, Any]:
    if isinstance(heard, ToolStarted):
        shown = heard.arguments if len(heard.arguments) <= 200 else heard.arguments[:199] + "…"
        return {
            "tool": heard.tool,
            "toolCallId": heard.id,
            "status": "running",
            "label": shown,
        }
    return {
        "tool": heard.tool,
        "toolCallId": heard.id,
        "status": "failed" if heard.is_error else "completed",
        "duration": round(heard.elapsed, 3),
    }


def usage_of(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
