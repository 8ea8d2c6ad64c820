"""The contract of a model provider (§5.3, §5.4).

A provider turns one `ModelRequest` into one vendor call and back. It does not retry, fall back,
count or log: those are middleware. It classifies what went wrong, once, into a `Failure`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from hermes.events import Event, StreamRestarted, TextChunk, ThinkingChunk
from hermes.messages import Content, Message, Text, ToolSpec, ToolUse, Usage
from hermes.resource import Resource

if TYPE_CHECKING:
    from hermes.turn import Turn

Emit: TypeAlias = Callable[[Event], None]
"""Tell the listeners. Never waits, never raises."""
Stop: TypeAlias = Literal["end", "tools", "length", "filter"]
"""Why a model stopped: it was done, it calls tools, it ran out of room, it was filtered."""


class ModelInfo(msgspec.Struct, frozen=True):
    """What is known of a model. Unknown is None, never a guess."""

    name: str
    """As the vendor writes it, without the provider."""
    window: int | None = None
    """Tokens of context."""
    tools: bool = True
    """It can call tools. Where it cannot, it gets none and a short prompt."""
    images: bool = False
    summary: str = ""


class ModelSpec(msgspec.Struct, frozen=True):
    """Everything that a model call is made of."""

    model: str
    """``provider:name``."""
    prompt: str
    """The system prompt."""
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    purpose: str = "turn"
    """``turn``, or what an auxiliary call is for: ``title``, ``summary``, ``advice`` …"""
    max_output: int | None = None
    temperature: float | None = None
    answer_schema: str = ""
    """JSON Schema (as text) that the answer must follow, where the provider can enforce it."""
    session: str = ""
    turn: str = ""
    step: int = 0
    attempt: int = 0


class ModelRequest:
    """One model call on its way through the `model` middleware to a provider.

    `spec` is frozen; ``replace(model=…)`` makes the copy to pass on. Chunks go sideways, by `emit`;
    to filter them, pass on ``replace(emit=mine)``.
    """

    __slots__ = ("_chunks", "emit", "retractable", "spec", "turn")

    def __init__(
        self,
        spec: ModelSpec,
        emit: Emit,
        *,
        turn: Turn | None = None,
        retractable: bool = True,
        _chunks: list[int] | None = None,
    ) -> None:
        self.spec = spec
        self.emit = emit
        self.turn = turn
        """The turn it belongs to; None for a call outside any turn."""
        self.retractable = retractable
        """Listeners can take text back (a terminal can, a pipe or SSE cannot)."""
        self._chunks = [0, spec.attempt] if _chunks is None else _chunks
        # Chunks emitted and the last attempt's number, shared by every copy: two middleware that
        # both try again (retry beneath fallback) must not give one number twice.

    @property
    def committed(self) -> bool:
        """Text went out that cannot be taken back: a failure is passed on, not retried."""
        return bool(self._chunks[0]) and not self.retractable

    def chunk(self, text: str) -> None:
        """Emit a piece of the answer."""
        self._chunks[0] += 1
        self.emit(TextChunk(text, self.spec.step, self.spec.attempt))

    def thinking(self, text: str) -> None:
        """Emit a piece of reasoning."""
        self.emit(ThinkingChunk(text, self.spec.step, self.spec.attempt))

    def again(self, reason: str, **changes: Any) -> ModelRequest:
        """Make the request of another attempt; listeners drop what this step said so far."""
        attempt = self._chunks[1] = max(self._chunks[1], self.spec.attempt) + 1
        self.emit(StreamRestarted(self.spec.step, attempt, reason))
        return self.replace(attempt=attempt, **changes)

    def replace(self, *, emit: Emit | None = None, **changes: Any) -> ModelRequest:
        """Copy with other fields of `spec`, or another `emit`."""
        spec = msgspec.structs.replace(self.spec, **changes) if changes else self.spec
        return ModelRequest(
            spec,
            self.emit if emit is None else emit,
            turn=self.turn,
            retractable=self.retractable,
            _chunks=self._chunks,
        )


class ModelResponse(msgspec.Struct, frozen=True):
    """What the model answered."""

    parts: tuple[Content, ...]
    model: str
    """``provider:name`` that answered, as asked for: the route of the next request."""
    usage: Usage = Usage()
    stop: Stop = "end"
    fallback: bool = False
    """Somebody substituted the model. Set by who did, never inferred from names."""

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_uses(self) -> tuple[ToolUse, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolUse))


class Provider(Resource):
    """A vendor, an endpoint, a model in process: one object per process.

    It keeps its HTTP pool and TLS context for the life of the process: rebuilding them costs
    100-300 ms a message.
    """

    @abstractmethod
    async def stream(self, request: ModelRequest) -> ModelResponse:
        """Make the call: `request.chunk` for each piece of text as it comes, then the whole.

        ``request.spec.model`` names the model after the colon. Raise `Failed` for everything that a
        vendor may answer; anything else that escapes counts as a bug of this plugin. When the task
        is cancelled, stop the call (close the stream) and let the cancellation through.
        """

    async def models(self) -> tuple[ModelInfo, ...]:
        """List the models, for menus. May ask the vendor. Empty where nobody can know."""
        return ()

    async def info(self, name: str) -> ModelInfo:
        """Say what is known of model *name* without a request to the vendor where possible."""
        return ModelInfo(name)

    def default(self) -> str:
        """Name the model used for ``provider:`` without a name; empty where one must be given."""
        return ""


class Models(ABC):
    """Auxiliary model calls, for plugins (``context.models``, ``turn.models``)."""

    @abstractmethod
    async def ask(
        self,
        purpose: str,
        text: str,
        *,
        prompt: str = "",
        model: str = "",
        parent: Turn | None = None,
        answer_schema: str = "",
        max_output: int | None = None,
    ) -> ModelResponse:
        """Ask a model something beside the conversation: a title, a summary, advice.

        The same middleware chain, the parent's budget, no chunks. *model* empty means the one that
        the person configured for *purpose*, else the turn's. Raises `Failed`.
        """
