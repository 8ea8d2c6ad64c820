"""What a scripted model answers: the same words for the provider in process and the HTTP server.

    script = (Say(calls=(Call("read_file", '{"path": "a"}'),)), "Done.", Fail("rate_limit"))

A string is `Say` of that text. A function gets the request and gives one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from hermes.errors import Failure, FailureKind
from hermes.messages import Content, Text, Thinking, ToolUse, Usage
from hermes.provider import ModelResponse, Stop


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model asks for a tool."""

    name: str
    arguments: str = "{}"
    """JSON text, or what the model took for it."""
    id: str = ""
    """Empty: the provider makes one up."""


class Say(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model answers."""

    text: str = ""
    chunks: tuple[str, ...] = ()
    """The text in the pieces it comes in; else it comes word by word."""
    thinking: str = ""
    calls: tuple[Call, ...] = ()
    stop: Stop | None = None
    """None: ``tools`` where there are calls, else ``end``."""
    usage: Usage | None = None
    """None: counted from what was asked and said, a token for four bytes."""
    delay: float = 0.0
    """Seconds before the first piece."""
    hold: Any = None
    """An `asyncio.Event`: wait for it after `hold_after` pieces."""
    hold_after: int = 0
    cut: bool = False
    """The connection goes after the pieces, before the answer has ended."""

    @property
    def pieces(self) -> tuple[str, ...]:
        return self.chunks or tuple(re.findall(r"\s*\S+\s*\Z|\s*\S+|\s+\Z", self.text))

    @property
    def whole(self) -> str:
        return "".join(self.chunks) or self.text

    @property
    def stops(self) -> Stop:
        return self.stop or ("tools" if self.calls else "end")

    def response(self, model: str, asked: int = 0) -> ModelResponse:
        """Make the response of it, to a request of *asked* bytes."""
        parts: list[Content] = [Thinking(self.thinking)] if self.thinking else []
        if self.whole:
            parts.append(Text(self.whole))
        for place, call in enumerate(self.calls):
            parts.append(ToolUse(call.id or f"call_{place}", call.name, call.arguments))
        return ModelResponse(tuple(parts), model, self.used(asked), self.stops)

    def used(self, asked: int) -> Usage:
        """Give the tokens of answering a request of *asked* bytes."""
        if self.usage is not None:
            return self.usage
        said = sum(len(call.arguments) + len(call.name) for call in self.calls)
        said += len(self.whole) + len(self.thinking)
        reasoning = -(-len(self.thinking) // 4)
        return Usage(-(-asked // 4), -(-said // 4), reasoning=reasoning, calls=1)


class Fail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The vendor refuses, or is down."""

    kind: FailureKind
    message: str = ""
    retry_after: float | None = None
    status: int = 0
    """HTTP status; 0: the usual one of the kind."""

    def failure(self, source: str) -> Failure:
        message = self.message or f"scripted failure: {self.kind}"
        return Failure(self.kind, message, source, self.status or None, self.retry_after)


Scripted: TypeAlias = "str | Say | Fail | Callable[[Any], Any]"
"""An answer, or a function (it may be async) of the request that gives one."""


def read_script(path: Path) -> list[Say | Fail]:
    """Read answers from JSON lines: fields of `Say`, or of `Fail` where ``kind`` is one."""
    return list(parse_script(path.read_text(encoding="utf-8").splitlines()))


def parse_script(lines: Iterable[str]) -> Iterable[Say | Fail]:
    """Read answers, one line each. Raises msgspec.DecodeError."""
    for line in lines:
        if line.strip():
            given = msgspec.json.decode(line)
            if "kind" in given:
                yield msgspec.convert(given, Fail)
            else:
                yield msgspec.convert(given, Say)
