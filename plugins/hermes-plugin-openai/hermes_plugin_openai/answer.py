"""One streamed answer put together from its chunks, whatever the endpoint makes of the format.

Chunks are plain dicts, as `json` read them: nothing in them is taken for granted, since endpoints
that call themselves compatible leave fields out, repeat them, or send other types.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hermes import (
    Content,
    ModelRequest,
    ModelResponse,
    Text,
    Thinking,
    ToolSpec,
    ToolUse,
    Usage,
    clean,
)
from hermes_plugin_openai.wire import DETAILS, keep_details, wire_name

if TYPE_CHECKING:
    from hermes.provider import Stop

STOPS: Mapping[str, Stop] = {
    "tool_calls": "tools",
    "function_call": "tools",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "filter",
    "safety": "filter",
}
"""Everything else is ``end``: vendors have many words for it."""


@dataclass
class Call:
    """A tool call on its way in."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class Pieces:
    """Text that comes in pieces, made valid: half a surrogate pair waits for its other half."""

    def __init__(self) -> None:
        self._whole: list[str] = []
        self._held = ""

    def add(self, text: str) -> str:
        """Take a piece; give what can be shown of it."""
        text = self._held + text
        self._held = ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        text = clean(text)
        self._whole.append(text)
        return text

    def end(self) -> str:
        """Give what was held back."""
        return self.add("\0") if self._held else ""

    def __str__(self) -> str:
        return "".join(self._whole)


class Assembly:
    """Collects an answer, telling *request*'s listeners each piece as it comes."""

    def __init__(self, request: ModelRequest, model: str, host: str) -> None:
        self.complete = False
        """The endpoint said that the answer ends: without that, it was cut."""
        self._request = request
        self._model = model
        self._host = host
        self._text = Pieces()
        self._thinking = Pieces()
        self._details: list[dict[str, Any]] = []
        self._calls: list[Call] = []
        self._open: dict[int, Call] = {}
        """The newest call at each place that the endpoint numbers."""
        self._place = 0
        self._finish = ""
        self._usage = Usage(calls=1)

    def feed(self, chunk: Any) -> None:
        """Take one chunk. Raises ValueError for what is no chunk."""
        if not isinstance(chunk, dict):
            raise ValueError(f"expected an object, got {type(chunk).__name__}")
        if isinstance(chunk.get("usage"), dict):
            self._take_usage(chunk["usage"])
            # A chunk of nothing else is the last; some send the count so far with every chunk.
            self.complete = self.complete or not chunk.get("choices")
        for choice in _dicts(chunk.get("choices")):
            if isinstance(choice.get("usage"), dict):  # Moonshot puts it here
                self._take_usage(choice["usage"])
            # "message" is where a server that does not stream puts the whole answer
            delta = choice.get("delta") or choice.get("message")
            if isinstance(delta, dict):
                self._take_delta(delta)
            if choice.get("finish_reason"):
                self._finish = str(choice["finish_reason"])
                self.complete = True

    def _take_delta(self, delta: dict[str, Any]) -> None:
        self._take_thinking(delta)
        content = delta.get("content")
        if isinstance(content, str):
            self._say(content)
        else:
            for part in _dicts(content):  # Mistral: parts of text and of thinking
                if part.get("type") == "thinking":
                    self._think("".join(_texts(part.get("thinking"))))
                else:
                    self._say(_string(part.get("text")))
        self._say(_string(delta.get("refusal")))
        for call in _dicts(delta.get("tool_calls")):
            self._take_call(call)

    def _take_thinking(self, delta: dict[str, Any]) -> None:
        details = _dicts(delta.get(DETAILS))
        # Some send both names with the same text, and the details with it again.
        text = _string(delta.get("reasoning_content")) or _string(delta.get("reasoning"))
        self._think(text or "".join(_texts(details)))
        for detail in details:
            self._take_detail(detail)

    def _take_detail(self, detail: dict[str, Any]) -> None:
        """Join pieces of one block: those of the same type and index."""
        last = self._details[-1] if self._details else {}
        same = all(last.get(key) == detail.get(key) for key in ("type", "index"))
        if not last or not same or "index" not in detail:
            self._details.append(dict(detail))
            return
        for key, value in detail.items():
            if key in ("text", "summary", "data") and isinstance(last.get(key), str):
                last[key] += _string(value)
            elif value is not None:
                last[key] = value

    def _say(self, text: str) -> None:
        if text and (piece := self._text.add(text)):
            self._request.chunk(piece)

    def _think(self, text: str) -> None:
        if text and (piece := self._thinking.add(text)):
            self._request.thinking(piece)

    def _take_call(self, delta: dict[str, Any]) -> None:
        function = delta.get("function")
        function = function if isinstance(function, dict) else {}
        identity, name = _string(delta.get("id")), _string(function.get("name"))
        call = self._call(delta.get("index"), identity, name)
        call.id = call.id or identity
        if name != call.name:  # some repeat the name in every piece
            call.name += name
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = json.dumps(arguments)  # Ollama: an object
        if arguments:
            call.arguments.append(arguments)

    def _call(self, index: Any, identity: str, name: str) -> Call:
        """Find the call that a piece belongs to, or begin one."""
        known = isinstance(index, int)
        self._place = index if known else self._place  # Gemini's endpoint leaves it out
        call = self._open.get(self._place)
        other = identity != call.id if call and call.id and identity else not known and not identity
        # Some give one place to all calls, others a new id to every piece of one call.
        if call is None or (other and name and _is_over(call, name)):
            call = self._open[self._place] = Call()
            self._calls.append(call)
        return call

    def _take_usage(self, usage: dict[str, Any]) -> None:
        prompt, completion = (
            details if isinstance(details := usage.get(key), dict) else {}
            for key in ("prompt_tokens_details", "completion_tokens_details")
        )
        cost = usage.get("cost")  # OpenRouter: US dollars
        self._usage = Usage(
            input=_count(usage.get("prompt_tokens")),
            output=_count(usage.get("completion_tokens")),
            cache_read=_count(prompt.get("cached_tokens"))
            or _count(usage.get("prompt_cache_hit_tokens"))  # DeepSeek
            or _count(usage.get("cached_tokens")),  # Moonshot
            cache_write=_count(prompt.get("cache_write_tokens")),
            reasoning=_count(completion.get("reasoning_tokens")),
            calls=1,
            cost=float(cost) if isinstance(cost, (int, float)) else None,
        )

    def response(self, tools: tuple[ToolSpec, ...]) -> ModelResponse:
        """Give the whole answer."""
        if rest := self._thinking.end():
            self._request.thinking(rest)
        if rest := self._text.end():
            self._request.chunk(rest)
        parts: list[Content] = []
        thinking, text = str(self._thinking), str(self._text)
        if thinking or self._details:
            details = cleaned(self._details)
            opaque = keep_details(details, self._host) if details else ""
            parts.append(Thinking(thinking, opaque))
        if text:
            parts.append(Text(text))
        uses = self._uses(tools)
        return ModelResponse((*parts, *uses), self._model, self._usage, self._stop(bool(uses)))

    def _uses(self, tools: tuple[ToolSpec, ...]) -> list[ToolUse]:
        originals = {wire_name(tool.name): tool.name for tool in tools} if self._calls else {}
        uses: list[ToolUse] = []
        taken: set[str] = set()
        for place, call in enumerate(self._calls):
            wanted = clean(call.id) or f"call_{self._request.spec.step}_{place}"
            identity, number = wanted, 1
            while identity in taken:
                number += 1
                identity = f"{wanted}_{number}"
            taken.add(identity)
            name = clean(call.name)
            uses.append(
                ToolUse(identity, originals.get(name, name), clean("".join(call.arguments)))
            )
        return uses

    def _stop(self, calls: bool) -> Stop:
        stop = STOPS.get(self._finish, "end")
        if stop in ("end", "tools"):  # many say "stop" when they call tools, some the reverse
            return "tools" if calls else "end"
        return stop


def _is_over(call: Call, name: str) -> bool:
    """Whether *call* can be whole, now that a piece with another id names the function *name*."""
    try:
        json.loads("".join(call.arguments))
    except ValueError:
        return not call.arguments and call.name != name
    return True


def cleaned(value: Any) -> Any:
    """Make every text in *value* valid."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [cleaned(each) for each in value]
    if isinstance(value, dict):
        return {cleaned(key): cleaned(each) for key, each in value.items()}
    return value


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [_string(part.get("text")) or _string(part.get("summary")) for part in _dicts(value)]


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and value > 0 else 0
