"""A turn: one input of one conversation, until an answer (§5.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from hermes.errors import Failure
from hermes.messages import Image, Message, Usage
from hermes.provider import Emit, Models
from hermes.records import TurnStatus
from hermes.session import Authority, SessionInfo

if TYPE_CHECKING:
    from hermes.context import PluginContext  # noqa: F401  (documentation links)


class Limits(msgspec.Struct, frozen=True):
    """Where a turn ends by itself."""

    steps: int = 90
    """Model calls."""
    seconds: float | None = None


class TurnInput(msgspec.Struct, frozen=True):
    """What a turn is about."""

    id: str
    session: SessionInfo
    text: str
    authority: Authority
    images: tuple[Image, ...] = ()
    context: str = ""
    """Added for this turn (memory), recorded and sent after the text."""
    model: str = ""
    """``provider:name`` asked for: the conversation's own, else the configured one."""
    config_revision: str = ""
    limits: Limits = Limits()
    toolsets: tuple[str, ...] = ()
    """Only these; empty means what the configuration enables."""
    sender: str = ""
    source: str = ""
    retractable: bool = True
    """Whoever listens can take back text that was shown."""
    parent: str = ""
    """Id of the turn that started this one (a sub-agent's)."""


class Question(msgspec.Struct, frozen=True):
    """Something to ask a person (§7.1)."""

    text: str
    choices: tuple[str, ...] = ()
    """Empty means a free answer."""
    purpose: str = "clarify"
    """``approval`` | ``clarify`` | ``pick``."""
    about: str = ""
    """Id of the tool call it is about."""
    digest: str = ""
    """For an approval: the hash that its grant is bound to; part of the question's id."""
    seconds: float = 3600.0
    """After that, silence means "deny"."""


class Reply(msgspec.Struct, frozen=True):
    """What the person answered. A question that nobody could see is answered ``deny`` at once."""

    choice: str
    text: str = ""
    by: str = ""

    @property
    def denied(self) -> bool:
        return self.choice == "deny"


NOBODY = Reply("deny", "nobody can be asked here")
"""The answer where nobody can see the question."""

Ask: TypeAlias = Callable[[Question], Awaitable[Reply]]


class Turn:
    """One running turn, as middleware, memory and tools see it.

    `input` is frozen; ``replace(text=…)`` makes the copy to pass on.
    """

    __slots__ = ("ask", "cancelled", "emit", "input", "messages", "models", "prompt")

    def __init__(
        self,
        input: TurnInput,
        *,
        emit: Emit,
        ask: Ask,
        cancelled: asyncio.Event,
        models: Models,
        prompt: str = "",
        messages: tuple[Message, ...] = (),
    ) -> None:
        self.input = input
        self.emit = emit
        self.ask = ask
        self.cancelled = cancelled
        """Set by ``/stop``; the agent's tasks are cancelled with it."""
        self.models = models
        self.prompt = prompt
        """The system prompt as it was rendered; empty at a conversation's first turn."""
        self.messages = messages
        """What the model sees of the conversation before this turn."""

    def replace(self, *, emit: Emit | None = None, **changes: Any) -> Turn:
        """Copy with other fields of `input`, or another `emit`."""
        return Turn(
            msgspec.structs.replace(self.input, **changes) if changes else self.input,
            emit=self.emit if emit is None else emit,
            ask=self.ask,
            cancelled=self.cancelled,
            models=self.models,
            prompt=self.prompt,
            messages=self.messages,
        )


class TurnResult(msgspec.Struct, frozen=True):
    """How a turn ended."""

    status: TurnStatus
    reply: str = ""
    """The final text; for anything but ``ok`` the line to show."""
    usage: Usage = Usage()
    failure: Failure | None = None
    model: str = ""
    """``provider:name`` that answered last."""
    fallback: bool = False
    steps: int = 0

    @classmethod
    def failed(cls, failure: Failure, **fields: Any) -> TurnResult:
        return cls("failed", failure.message, failure=failure, **fields)
