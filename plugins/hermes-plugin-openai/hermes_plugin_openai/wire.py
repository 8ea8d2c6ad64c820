"""Hermes's messages in OpenAI's wire format.

Pure functions, and a cache of what they made: a message never changes, so its bytes are made once
and request k+1 starts with the bytes of request k, which is what a vendor's prompt cache needs.
The SDK would walk and convert all messages anew for each request; sending bytes leaves that out.
"""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from hermes import (
    Image,
    Message,
    ModelSpec,
    Text,
    Thinking,
    ToolOutput,
    ToolSpec,
    ToolUse,
    clean,
)

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What OpenAI takes as the name of a function; others take no less."""
NO_PARAMETERS = '{"type":"object","properties":{}}'
CACHE_BYTES = 8_000_000
IDLE = 120.0
"""Seconds after which what was made of a message is dropped."""
DETAILS = "reasoning_details"
"""Structured reasoning (OpenRouter, MiniMax), kept in `Thinking.opaque` and sent back untouched."""

encode = msgspec.json.encode


class Dialect(msgspec.Struct, frozen=True):
    """In what the endpoints differ."""

    host: str = ""
    """Host that the endpoint is at: structured reasoning goes back only to where it came from."""
    reasoning_field: str = ""
    """Field for reasoning that is sent back; empty: none is."""
    max_output_field: str = "max_tokens"
    tools: bool = True
    images: bool = True
    extra_body: dict[str, Any] = msgspec.field(default_factory=dict)


class Rendered(NamedTuple):
    """One message: wire messages, and pictures to show after the run of tool outputs it is in."""

    messages: list[dict[str, Any]]
    pictures: list[dict[str, Any]]


def render(message: Message, dialect: Dialect) -> Rendered:
    """Turn one message into wire messages."""
    if message.role == "tool":
        return _tool_outputs(message, dialect)
    if message.role == "assistant":
        return Rendered([_assistant(message, dialect)], [])
    return Rendered([{"role": message.role, "content": _content(message, dialect)}], [])


def _content(message: Message, dialect: Dialect) -> str | list[dict[str, Any]]:
    parts = [part for part in message.parts if isinstance(part, (Text, Image))]
    if message.role == "user" and any(isinstance(part, Image) for part in parts):
        return [_part(part, dialect) for part in parts]
    # One string, since several servers take nothing else.
    return clean("\n\n".join(part.text for part in parts if isinstance(part, Text)))


def _part(part: Text | Image, dialect: Dialect) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": clean(part.text)}
    if not dialect.images:
        return {"type": "text", "text": f"[A picture ({part.media_type}); this model sees none.]"}
    url = f"data:{part.media_type};base64,{part.data}"
    return {"type": "image_url", "image_url": {"url": url}}


def _assistant(message: Message, dialect: Dialect) -> dict[str, Any]:
    uses = message.tool_uses
    wire: dict[str, Any] = {
        "role": "assistant",
        # Null is for an answer of calls only; a message of neither is refused without a text.
        "content": clean(message.text) or (None if uses else ""),
    }
    wire.update(_reasoning(message, dialect))
    if uses:
        wire["tool_calls"] = [_tool_call(use) for use in uses]
    return wire


def _reasoning(message: Message, dialect: Dialect) -> dict[str, Any]:
    thoughts = [part for part in message.parts if isinstance(part, Thinking)]
    fields: dict[str, Any] = {}
    if thoughts and dialect.reasoning_field:
        fields[dialect.reasoning_field] = clean("".join(part.text for part in thoughts))
    details: list[Any] = []
    for part in thoughts:
        details += details_of(part, dialect.host)
    if details:
        fields[DETAILS] = details
    return fields


def details_of(part: Thinking, host: str) -> list[Any]:
    """Give the structured reasoning of *part* if *host* made it."""
    if not part.opaque.startswith("{"):
        return []
    try:
        kept = msgspec.json.decode(part.opaque)
    except msgspec.DecodeError:
        return []
    details = kept.get(DETAILS) if kept.get("host") == host else None
    return details if isinstance(details, list) else []


def keep_details(details: list[Any], host: str) -> str:
    """Make the `Thinking.opaque` that `details_of` reads."""
    return encode({"host": host, DETAILS: details}).decode()


def _tool_call(use: ToolUse) -> dict[str, Any]:
    return {
        "id": clean(use.id),
        "type": "function",
        "function": {"name": wire_name(use.name), "arguments": wire_arguments(use.arguments)},
    }


def wire_arguments(text: str) -> str:
    """Give arguments as the model wrote them, or quoted where they are no JSON object.

    OpenAI takes any text back, but servers that put it through a chat template (llama.cpp, vLLM)
    refuse the whole conversation from then on.
    """
    text = clean(text)
    if not text.strip():
        return "{}"
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return encode({"invalid_json": text}).decode()
    return text


def _tool_outputs(message: Message, dialect: Dialect) -> Rendered:
    messages, pictures = [], []
    for part in message.parts:
        if not isinstance(part, ToolOutput):
            continue
        messages.append(
            {"role": "tool", "tool_call_id": clean(part.id), "content": clean(part.text)}
        )
        if part.images:
            # A tool message holds text only: its pictures follow in a message of the user.
            pictures.append({"type": "text", "text": f"Picture from {wire_name(part.name)}:"})
            pictures += [_part(image, dialect) for image in part.images]
    return Rendered(messages, pictures)


def wire_name(name: str) -> str:
    """Make a function name that every endpoint takes; a good one comes back as it is.

    Models invent names, and one bad name in the history makes OpenAI refuse every later request.
    """
    if NAME.fullmatch(name):
        return name
    plain = re.sub(r"[^a-zA-Z0-9_-]", "_", name) or "unnamed"
    mark = hashlib.sha256(clean(name).encode()).hexdigest()[:8]
    return f"{plain[:55]}_{mark}"


def render_tools(tools: tuple[ToolSpec, ...]) -> bytes:
    """Turn tools into the JSON array of the request."""
    return encode(
        [
            {
                "type": "function",
                "function": {
                    "name": wire_name(tool.name),
                    "description": clean(tool.description),
                    "parameters": msgspec.Raw(clean(tool.parameters or NO_PARAMETERS).encode()),
                },
            }
            for tool in tools
        ]
    )


def answer_format(schema: str) -> dict[str, Any]:
    """Ask for an answer that follows *schema* (JSON Schema as text)."""
    parsed = msgspec.json.decode(schema)
    wanted: dict[str, Any] = {"name": "answer", "schema": parsed}
    if is_strict(parsed):
        wanted["strict"] = True
    return {"type": "json_schema", "json_schema": wanted}


def is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes *schema*: objects closed, with every property required."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if "properties" in schema or schema.get("type") == "object":
        names = set(schema.get("properties", {}))
        closed = schema.get("additionalProperties") is False
        if not closed or set(schema.get("required", ())) != names:
            return False
    return all(map(is_strict, schema.values()))


@dataclass(slots=True)
class _Kept:
    message: Message
    wire: list[bytes]
    pictures: list[bytes]
    used: float = math.inf
    """Until it is used for the first time."""

    @property
    def size(self) -> int:
        """Bytes of it and, roughly, of the objects around it, which are most of a short message."""
        return 1000 + sum(map(len, (*self.wire, *self.pictures)))


class Renderer:
    """Makes the bytes of requests, keeping those of messages it saw (8 MB, least used go first).

    What nobody used for two minutes goes, too: the conversation left memory, and when it goes on
    its messages are others.
    """

    def __init__(
        self,
        dialect: Dialect,
        limit: int = CACHE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dialect = dialect
        self._limit = limit
        self._clock = clock
        self._size = 0
        # By identity, which holds while the message is kept beside its bytes.
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._tools: tuple[tuple[ToolSpec, ...], bytes] = ((), b"[]")

    def body(self, spec: ModelSpec, name: str) -> bytes:
        """Make the body of a streaming request of *spec* to the model *name*.

        The messages come last, so two requests of a conversation differ only where it went on.
        """
        fields: dict[str, Any] = {
            "model": name,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if spec.max_output is not None:
            fields[self.dialect.max_output_field] = spec.max_output
        if spec.temperature is not None:
            fields["temperature"] = spec.temperature
        if spec.answer_schema:
            fields["response_format"] = answer_format(spec.answer_schema)
        if spec.tools and self.dialect.tools:
            fields["tools"] = msgspec.Raw(self._tool_bytes(spec.tools))
        fields.update(self.dialect.extra_body)
        fields.pop("messages", None)
        head = encode({key: value for key, value in fields.items() if value is not None})
        return b'%b,"messages":[%b]}' % (head[:-1], b",".join(self._messages(spec)))

    def _messages(self, spec: ModelSpec) -> list[bytes]:
        wire: list[bytes] = []
        if spec.prompt:
            wire.append(encode({"role": "system", "content": clean(spec.prompt)}))
        pictures: list[bytes] = []
        for message in spec.messages:
            if pictures and message.role != "tool":
                wire.append(_shown(pictures))
                pictures = []
            messages, more = self._bytes(message)
            wire += messages
            pictures += more
        if pictures:
            wire.append(_shown(pictures))
        return wire

    def _bytes(self, message: Message) -> tuple[list[bytes], list[bytes]]:
        kept = self._kept.get(id(message))
        if kept is None:
            rendered = render(message, self.dialect)
            wire = [encode(each) for each in rendered.messages]
            pictures = [encode(each) for each in rendered.pictures]
            kept = self._kept[id(message)] = _Kept(message, wire, pictures)
            self._size += kept.size
            self._trim()
        else:
            self._kept.move_to_end(id(message))
        kept.used = self._clock()
        return kept.wire, kept.pictures

    def _trim(self) -> None:
        idle = self._clock() - IDLE
        while len(self._kept) > 1:
            oldest = next(iter(self._kept.values()))
            if self._size <= self._limit and oldest.used > idle:
                return
            self._size -= self._kept.popitem(last=False)[1].size

    def _tool_bytes(self, tools: tuple[ToolSpec, ...]) -> bytes:
        if self._tools[0] is not tools:
            self._tools = (tools, render_tools(tools))
        return self._tools[1]


def _shown(pictures: list[bytes]) -> bytes:
    return b'{"role":"user","content":[%b]}' % b",".join(pictures)
