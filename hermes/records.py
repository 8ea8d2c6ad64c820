"""What the journal holds: one record for every fact of a conversation (architecture §7).

A record is an envelope (sequence number, time, turn) around a body. Kind and version of a body are
columns of the store, the rest is JSON. Fields are only ever added, with defaults; a kind that this
program does not know is carried as `Unknown` and skipped by the fold.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import msgspec

from hermes.errors import Failure
from hermes.messages import Content, Image, Message, Text, ToolSpec, Usage, clean

TurnStatus: TypeAlias = Literal["ok", "failed", "blocked", "cancelled"]


class Body(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all bodies."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1


class Opened(Body, frozen=True, kw_only=True, gc=False):
    """A conversation began: what its model was told, once and for all (§5.5)."""

    kind: ClassVar[str] = "opened"
    prompt: str
    tools: tuple[ToolSpec, ...] = ()
    parent: str = ""
    relation: Literal["", "fork", "child"] = ""
    inherited: tuple[Message, ...] = ()
    """What a fork brought along from its parent."""
    sources: tuple[str, ...] = ()
    """Where texts in prompt, tools and what was inherited came from (`hermes.sources`)."""


class Reprompted(Body, frozen=True, kw_only=True, gc=False):
    """Prompt and tools were rendered again: says why."""

    kind: ClassVar[str] = "reprompted"
    prompt: str
    tools: tuple[ToolSpec, ...] = ()
    reason: str
    sources: tuple[str, ...] = ()


class UserSaid(Body, frozen=True, kw_only=True, gc=False):
    """Somebody's message started a turn."""

    kind: ClassVar[str] = "user"
    text: str
    images: tuple[Image, ...] = ()
    context: str = ""
    """What was added for this turn (memory, time), sent as stored, after the text."""
    sender: str = ""
    source: str = ""
    """The surface or platform it came from; for text from a stranger, that it did."""
    stranger: bool = False
    """It is not of a person whom this Hermes serves: a guest's, or what a program posted."""


class Steered(Body, frozen=True, kw_only=True, gc=False):
    """Text that a person added to a running turn, after a batch of tool results."""

    kind: ClassVar[str] = "steered"
    text: str
    sender: str = ""


class Answer(Body, frozen=True, kw_only=True, gc=False):
    """The model answered: text, thinking, tool uses."""

    kind: ClassVar[str] = "model"
    parts: tuple[Content, ...]
    model: str
    """``provider:model`` that answered."""
    usage: Usage = Usage()
    stop: str = "end"
    step: int = 0
    partial: bool = False
    """Cut short by a stop; kept because the person saw it."""


class Started(Body, frozen=True, kw_only=True, gc=False):
    """A tool with a lasting effect is about to run (`KEYED` and `ONCE` only)."""

    kind: ClassVar[str] = "started"
    id: str
    tool: str
    effect: str
    key: str = ""
    """Idempotency key that a `KEYED` repeat carries."""
    digest: str = ""
    """Hash of what was granted."""


class Finished(Body, frozen=True, kw_only=True, gc=False):
    """A tool call has its result, whatever it is."""

    kind: ClassVar[str] = "finished"
    id: str
    tool: str
    text: str
    is_error: bool = False
    images: tuple[Image, ...] = ()
    output: str = ""
    """Address of the whole output where `text` is only its head and tail (``output:ID``)."""
    elapsed: float = 0.0
    """Seconds."""
    unknown: bool = False
    """The effect may or may not have happened; it was not repeated."""
    source: str = ""
    """Where the text came from (`hermes.sources`)."""


class QuestionPut(Body, frozen=True, kw_only=True, gc=False):
    """A person was asked."""

    kind: ClassVar[str] = "asked"
    id: str
    text: str
    choices: tuple[str, ...] = ()
    about: str = ""
    """Id of the tool call it is about."""
    purpose: str = "clarify"
    until: int = 0
    """UTC microseconds after which silence means "deny"."""


class QuestionAnswered(Body, frozen=True, kw_only=True, gc=False):
    """The answer, or that time ran out. Spent once."""

    kind: ClassVar[str] = "answered"
    id: str
    choice: str
    text: str = ""
    by: str = ""


class Compacted(Body, frozen=True, kw_only=True, gc=False):
    """From here on the model sees *messages* instead of everything before record *upto*."""

    kind: ClassVar[str] = "compacted"
    upto: int
    """The last sequence number that *messages* stand for."""
    messages: tuple[Message, ...]
    reason: str = ""


class Rewound(Body, frozen=True, kw_only=True, gc=False):
    """The model no longer sees the records after *to* (``/undo``, ``/retry``)."""

    kind: ClassVar[str] = "rewound"
    to: int
    reason: str = ""


class Resumed(Body, frozen=True, kw_only=True, gc=False):
    """An interrupted turn went on, in another process or after a crash."""

    kind: ClassVar[str] = "resumed"
    attempt: int


class Ended(Body, frozen=True, kw_only=True, gc=False):
    """The turn is over."""

    kind: ClassVar[str] = "ended"
    status: TurnStatus
    failure: Failure | None = None
    model: str = ""
    fallback: bool = False
    usage: Usage = Usage()


class Note(Body, frozen=True, kw_only=True, gc=False):
    """A plugin's own record. Never enters what the model sees."""

    kind: ClassVar[str] = "note"
    plugin: str
    name: str
    data: str
    """JSON text."""
    data_version: int = 1


class Unknown(Body, frozen=True, kw_only=True, gc=False):
    """A record of a newer program, kept as it is."""

    kind: ClassVar[str] = "unknown"
    of: str
    of_version: int
    payload: bytes


class Erased(Body, frozen=True, kw_only=True, gc=False):
    """What stood here was forgotten on purpose."""

    kind: ClassVar[str] = "erased"
    why: str = ""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One line of the journal."""

    turn: str
    """Id of the turn it belongs to; empty for records between turns."""
    body: Body
    seq: int = 0
    """1, 2, 3 … within the conversation; given by the store."""
    time: int = 0
    """UTC microseconds; given by the store where it is 0."""


KINDS: dict[str, type[Body]] = {
    body.kind: body
    for body in (
        Opened,
        Reprompted,
        UserSaid,
        Steered,
        Answer,
        Started,
        Finished,
        QuestionPut,
        QuestionAnswered,
        Compacted,
        Rewound,
        Resumed,
        Ended,
        Note,
        Erased,
    )
}

_encoder = msgspec.json.Encoder()
_decoders = {kind: msgspec.json.Decoder(body) for kind, body in KINDS.items()}


def encode(body: Body) -> tuple[str, int, bytes]:
    """Give kind, version and payload of *body* as a store keeps them.

    Raises UnicodeEncodeError for a lone surrogate: whoever takes text in cleans it
    (`hermes.messages.clean`).
    """
    if isinstance(body, Unknown):
        return body.of, body.of_version, body.payload
    return body.kind, body.version, _encoder.encode(body)


def decode(kind: str, version: int, payload: bytes) -> Body:
    """Read a body back. What this program cannot read comes as `Unknown`, never as an error."""
    decoder = _decoders.get(kind)
    if decoder is None or version > KINDS[kind].version:
        return Unknown(of=kind, of_version=version, payload=payload)
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _mended(decoder, payload) or Unknown(of=kind, of_version=version, payload=payload)


def _mended(decoder: msgspec.json.Decoder[Body], payload: bytes) -> Body | None:
    """Read a payload whose text is broken: what is no character becomes U+FFFD."""
    import json  # noqa: PLC0415 - it reads half pairs, which msgspec refuses; hardly ever needed

    try:
        plain = json.loads(payload.decode("utf-8", "replace"))
        return decoder.decode(clean(json.dumps(plain, ensure_ascii=False)).encode())
    except (ValueError, RecursionError):  # msgspec's and json's errors are ValueErrors
        return None


def mentions(value: object, about: str) -> bool:
    """Whether *value* holds the text *about*, in any case and whatever space lies between words.

    A string is looked through as it is; bytes are JSON (a record's payload), whose every string is
    looked through, and JSON within a string (a tool's arguments) as well.
    """
    wanted = _plain(about)
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
        rarest = max(wanted.split(), key=len, default="")
        if "\\" not in text and rarest not in text.casefold():  # nearly all; the rest takes long
            return False
        value = _decoded(text)
    try:
        return bool(wanted) and _mentions(value, wanted)
    except RecursionError:  # nested too deeply to be looked into: as it is written, then
        return wanted in _plain(str(value))


def _mentions(value: object, wanted: str) -> bool:
    if isinstance(value, str):
        if wanted in _plain(value):
            return True
        inner = _decoded(value) if "\\" in value and value.lstrip()[:1] in ("{", "[") else value
        return inner is not value and not isinstance(inner, str) and _mentions(inner, wanted)
    if isinstance(value, dict):
        return any(_mentions(each, wanted) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(_mentions(each, wanted) for each in value)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _decoded(text: str) -> object:
    import json  # noqa: PLC0415 - it reads what msgspec refuses; hardly ever needed

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def searchable(body: Body) -> tuple[str, str]:
    """Role and text under which full-text search finds *body*; both empty where it does not."""
    if isinstance(body, (UserSaid, Steered)):
        return "user", body.text
    if isinstance(body, Answer):
        return "assistant", "".join(part.text for part in body.parts if isinstance(part, Text))
    if isinstance(body, Finished):
        return "tool", body.text
    return "", ""
