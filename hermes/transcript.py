"""A conversation in memory: the fold over its records, and the one way to add to them (§7).

The fold is pure, total and monotone: a record only adds messages at the end, except ``compacted``,
``rewound`` and ``reprompted``. It repairs what broken or imported histories contain (a tool use
without an output, an output without a use, ids used twice); the records are never rewritten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from hermes.messages import Content, Message, Text, ToolOutput, ToolSpec, ToolUse, Usage, clean
from hermes.records import (
    Answer,
    Body,
    Compacted,
    Ended,
    Erased,
    Finished,
    Opened,
    QuestionAnswered,
    QuestionPut,
    Record,
    Reprompted,
    Resumed,
    Rewound,
    Started,
    Steered,
    UserSaid,
)
from hermes.redaction import redact_all
from hermes.sources import ATTACHED, RECALLED, of_message
from hermes.store import Append, Change, Store

LOST = "[No result was recorded for this call.]"


class Entry(NamedTuple):
    """A message of the fold and the record it comes from."""

    seq: int
    message: Message
    starts_turn: bool = False


@dataclass
class OpenTurn:
    """What is recorded of a turn that has not ended: all that a resume needs."""

    id: str
    said: UserSaid
    began: int
    """UTC microseconds."""
    answer: Answer | None = None
    """The last answer, while calls of it are without a result."""
    started: dict[str, Started] = field(default_factory=dict)
    finished: dict[str, Finished] = field(default_factory=dict)
    asked: dict[str, QuestionPut] = field(default_factory=dict)
    answered: dict[str, QuestionAnswered] = field(default_factory=dict)
    steps: int = 0
    resumes: int = 0
    usage: Usage = field(default_factory=Usage)


class Fold:
    """What the model sees, and where the conversation stands."""

    def __init__(self) -> None:
        self.prompt = ""
        self.tools: tuple[ToolSpec, ...] = ()
        self.entries: list[Entry] = []
        self.head = 0
        self.opened = False
        self.turn: OpenTurn | None = None
        self.size = 0
        """Characters held, roughly."""
        self.sources: dict[str, None] = {}
        """Where the texts came from that the model has seen, those read last at the end: a summary
        of them, or what it learned from them, is still theirs, so none is ever taken out."""
        self.stale = False
        """Only a fold over all records tells what is seen: a rewind went behind a compaction, or
        something was forgotten."""
        self._uses: tuple[ToolUse, ...] = ()
        self._outputs: dict[int, ToolOutput] = {}
        self._answer_seq = 0
        self._held = Message("assistant", ())
        self._ids: set[str] = set()
        """Of all tool uses so far."""
        self._compacted_at = 0

    @property
    def messages(self) -> tuple[Message, ...]:
        """What the model sees. Calls that still run are not part of it."""
        return tuple(entry.message for entry in self.entries)

    def add(self, record: Record) -> None:
        """Fold one more record. Never raises for anything that a store may hold."""
        self.head = max(self.head, record.seq)
        body = record.body
        if self.turn is None and isinstance(body, UserSaid) and record.turn:
            self.turn = OpenTurn(record.turn, body, record.time)
        match body:
            case UserSaid():
                self._close_calls()
                self._heard(
                    of_message(body),
                    RECALLED if body.context else "",
                    ATTACHED if body.images else "",
                )
                self._push(record.seq, _user_message(body), starts_turn=True)
            case Steered():
                self._close_calls()
                self._push(record.seq, Message("user", (Text(clean(body.text)),)))
            case Answer():
                self._answer(record.seq, body)
            case Finished():
                self._heard(body.source)
                self._finished(body)
            case Opened():
                self.prompt, self.tools, self.opened = body.prompt, body.tools, True
                self._heard(*body.sources)
                for message in body.inherited:
                    self._push(record.seq, message, starts_turn=message.role == "user")
            case Reprompted():
                self.prompt, self.tools = body.prompt, body.tools
                self._heard(*body.sources)
            case Compacted():
                self._compacted(record.seq, body)
            case Rewound():
                self._rewound(body)
            case Ended():
                self._close_calls()
            case Erased():  # what was folded before may have been forgotten
                self.stale = True
        self._follow_turn(record)

    def _follow_turn(self, record: Record) -> None:
        turn, body = self.turn, record.body
        if turn is None or record.turn != turn.id:
            return
        match body:
            case Answer():
                turn.answer = body if body.parts and _uses(body) else None
                turn.steps += 1
                turn.usage += body.usage
            case Started():
                turn.started[body.id] = body
            case Finished():
                turn.finished[body.id] = body
            case QuestionPut():
                turn.asked[body.id] = body
            case QuestionAnswered():
                turn.answered[body.id] = body
            case Resumed():
                turn.resumes += 1
            case Ended():
                self.turn = None

    def _heard(self, *sources: str) -> None:
        for source in filter(None, sources):
            self.sources.pop(source, None)
            self.sources[source] = None

    def _push(self, seq: int, message: Message, *, starts_turn: bool = False) -> None:
        self.entries.append(Entry(seq, message, starts_turn))
        self.size += _size(message)

    def _answer(self, seq: int, body: Answer) -> None:
        self._close_calls()
        if not body.parts:
            return
        parts: list[Content] = []
        for part in body.parts:
            if isinstance(part, Text):
                part = Text(clean(part.text))
            elif isinstance(part, ToolUse):
                identity = clean(part.id)
                while not identity or identity in self._ids:  # vendors refuse both
                    identity += "~"
                self._ids.add(identity)
                part = ToolUse(identity, clean(part.name), clean(part.arguments))
            parts.append(part)
        message = Message("assistant", tuple(parts))
        if not message.tool_uses:
            self._push(seq, message)
            return
        # Held back until every call has its output, so that the fold only ever adds whole pairs.
        self._uses, self._outputs, self._answer_seq = message.tool_uses, {}, seq
        self._held = message

    def _finished(self, body: Finished) -> None:
        identity = clean(body.id).rstrip("~")
        for place, use in enumerate(self._uses):
            if use.id.rstrip("~") == identity and place not in self._outputs:
                text = clean(body.text)
                self._outputs[place] = ToolOutput(
                    use.id, use.name, text, body.is_error, body.images
                )
                break
        if self._uses and len(self._outputs) == len(self._uses):
            self._close_calls()

    def _close_calls(self) -> None:
        """Add the answer held back with its outputs, standing in for those that never came."""
        if not self._uses:
            return
        outputs = tuple(
            self._outputs.get(place, ToolOutput(use.id, use.name, LOST, True))
            for place, use in enumerate(self._uses)
        )
        self._push(self._answer_seq, self._held)
        self._push(self._answer_seq, Message("tool", outputs))
        self._uses, self._outputs = (), {}

    def _compacted(self, seq: int, body: Compacted) -> None:
        self._close_calls()
        kept = [entry for entry in self.entries if entry.seq > body.upto]
        self.entries = [Entry(body.upto, message) for message in body.messages] + kept
        self.size = sum(_size(entry.message) for entry in self.entries)
        self._compacted_at = seq

    def _rewound(self, body: Rewound) -> None:
        self._close_calls()
        if body.to < self._compacted_at:
            self.stale = True
            return
        self.entries = [entry for entry in self.entries if entry.seq <= body.to]
        self.size = sum(_size(entry.message) for entry in self.entries)


def fold(records: Iterable[Record]) -> Fold:
    """Fold all *records* of a conversation."""
    result, seen = Fold(), []
    for record in records:
        seen.append(record)
        result.add(record)
        if isinstance(record.body, Erased):  # *records* are as they are now
            result.stale = False
        if result.stale and isinstance(record.body, Rewound):
            head, turn, prompt, tools = result.head, result.turn, result.prompt, result.tools
            result = fold([r for r in seen if r.seq <= record.body.to])
            # Prompt and tools as told last stand: a rewind takes back messages, not what was told.
            result.head, result.turn, result.stale = head, turn, False
            result.prompt, result.tools = prompt, tools
    return result


class Transcript:
    """The fold of one conversation and the only writer to its journal in this process."""

    def __init__(
        self,
        store: Store,
        session: str,
        folded: Fold | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self.store = store
        self._redact = redact
        self.session = session
        self.fold = folded or Fold()
        self.owner = ""
        """Lease that appends carry; empty between turns."""
        self._pending: list[Record] = []
        self._also: list[Change] = []
        self._writing = asyncio.Lock()

    async def refresh(self) -> None:
        """Fold what others appended since."""
        async with self._writing:  # or what a commit made durable would be folded twice
            for record in await self.store.records(self.session, self.fold.head):
                self.fold.add(record)
            if self.fold.stale:
                self.fold = fold(await self.store.records(self.session))

    def note(self, body: Body, turn: str = "") -> None:
        """Add a record to the next commit, without the secrets that stand in it."""
        self._pending.append(Record(turn, redact_all(body, self._redact)))

    def also(self, changes: Sequence[Change]) -> None:
        """Add other changes to the next commit."""
        self._also.extend(changes)

    @property
    def waiting(self) -> bool:
        """Whether something is noted and not committed."""
        return bool(self._pending)

    def discard(self) -> None:
        """Drop what was noted and not committed."""
        self._pending.clear()
        self._also.clear()

    async def commit(self, before: Sequence[Change] = (), after: Sequence[Change] = ()) -> None:
        """Make everything noted so far durable, between *before* and *after*, then fold it.

        A cancelled caller's commit still happens, and is folded. Raises Conflict when another
        process went on with this conversation; what was noted is then dropped, since it followed on
        something that is no longer the end.
        """
        await asyncio.shield(asyncio.ensure_future(self._commit(before, after)))

    async def _commit(self, before: Sequence[Change], after: Sequence[Change]) -> None:
        async with self._writing:
            records, self._pending = tuple(self._pending), []
            after, self._also = (*self._also, *after), []
            if not records and not before and not after:
                return
            append: tuple[Change, ...] = (
                (Append(self.session, records, self.fold.head, self.owner),) if records else ()
            )
            await self.store.commit((*before, *append, *after))
            for record in records:
                self.fold.add(msgspec.structs.replace(record, seq=self.fold.head + 1))


NO_TURN = "there is no turn to take back"


def turn_starts(folded: Fold) -> list[Entry]:
    """List the user messages that started turns and are still seen."""
    return [entry for entry in folded.entries if entry.starts_turn]


def _uses(body: Answer) -> bool:
    return any(isinstance(part, ToolUse) for part in body.parts)


def _user_message(body: UserSaid) -> Message:
    parts: list[Content] = [Text(_named(body)), *body.images]
    if body.context:
        parts.append(Text("\n\n" + clean(body.context)))
    return Message("user", tuple(parts))


def _named(body: UserSaid) -> str:
    """Write a message as the model reads it: a stranger's says whose it is."""
    source = of_message(body)
    return f"[From {source}]\n{clean(body.text)}" if source else clean(body.text)


def _size(message: Message) -> int:
    total = 64
    for part in message.parts:
        for value in msgspec.structs.astuple(part):
            total += len(value) if isinstance(value, str) else 0
    return total
