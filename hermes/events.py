"""What a surface hears while a turn runs (architecture §5.4).

Events are for showing, never for keeping: a listener may miss chunks and still gets the whole
reply in `TurnFinished`. Chunks carry step and attempt; `StreamRestarted` means "drop that step's
text, it comes again".
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from hermes.errors import Failure
from hermes.messages import Usage
from hermes.records import TurnStatus


class TextChunk(msgspec.Struct, frozen=True, tag=True):
    """A piece of the answer."""

    text: str
    step: int = 0
    attempt: int = 0


class ThinkingChunk(msgspec.Struct, frozen=True, tag=True):
    """A piece of the model's reasoning."""

    text: str
    step: int = 0
    attempt: int = 0


class StreamRestarted(msgspec.Struct, frozen=True, tag=True):
    """Another attempt begins: what step *step* said so far does not count."""

    step: int
    attempt: int
    reason: str = ""


class ToolStarted(msgspec.Struct, frozen=True, tag=True):
    """A tool call was allowed and runs."""

    id: str
    tool: str
    arguments: str
    """JSON text, secrets redacted."""


class ToolProgress(msgspec.Struct, frozen=True, tag=True):
    """Output of a running tool, as it comes."""

    id: str
    text: str


class ToolFinished(msgspec.Struct, frozen=True, tag=True):
    """A tool call ended."""

    id: str
    tool: str
    text: str
    is_error: bool = False
    elapsed: float = 0.0


class Asked(msgspec.Struct, frozen=True, tag=True):
    """A person is asked; answer with ``Runtime.answer(id, …)``."""

    id: str
    text: str
    choices: tuple[str, ...] = ()
    purpose: str = "clarify"
    about: str = ""


class Answered(msgspec.Struct, frozen=True, tag=True):
    """The question is settled, here or elsewhere."""

    id: str
    choice: str
    by: str = ""


class Notice(msgspec.Struct, frozen=True, tag=True):
    """One line for the person: a retry, a substituted model, a lost container."""

    text: str


class UsageReported(msgspec.Struct, frozen=True, tag=True):
    """What one model call used."""

    model: str
    usage: Usage


class TurnFinished(msgspec.Struct, frozen=True, tag=True):
    """The turn is over; always the last event."""

    status: TurnStatus
    reply: str
    """The whole final text, or for a failure the line to show."""
    usage: Usage = Usage()
    model: str = ""
    fallback: bool = False
    session: str = ""
    failure: Failure | None = None
    """What went wrong, for a surface that answers in codes of its own (HTTP, ACP)."""


class SessionReset(msgspec.Struct, frozen=True, tag=True):
    """The key is bound to another conversation now."""

    session: str


class AgentEvicted(msgspec.Struct, frozen=True, tag=True):
    """The agent of a conversation was dropped from the cache; the next message folds anew."""

    session: str
    reason: str


class Forgotten(msgspec.Struct, frozen=True, tag=True):
    """A conversation, or turns of it, were forgotten: what a plugin keeps of them goes too.

    `Store.session` gives None for a conversation that went as a whole; in another, records of the
    turns are `Erased`.
    """

    session: str


class PluginEvent(msgspec.Struct, frozen=True, tag=True):
    """A plugin's own event. *text* is what a surface that does not know it may show."""

    plugin: str
    name: str
    data: str = ""
    text: str = ""


Event: TypeAlias = (
    TextChunk
    | ThinkingChunk
    | StreamRestarted
    | ToolStarted
    | ToolProgress
    | ToolFinished
    | Asked
    | Answered
    | Notice
    | UsageReported
    | TurnFinished
    | SessionReset
    | AgentEvicted
    | Forgotten
    | PluginEvent
)
"""Everything that a surface may hear."""
