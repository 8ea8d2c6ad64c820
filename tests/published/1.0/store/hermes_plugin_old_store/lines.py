"""A commit as a line of JSON, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from hermes import (
    Append,
    Bind,
    Change,
    Describe,
    Enqueue,
    Erased,
    Lease,
    Record,
    SetState,
    Settle,
    decode,
    encode,
)

KINDS: dict[str, Any] = {
    kind.__name__: kind for kind in (Append, Bind, Describe, Enqueue, Lease, SetState, Settle)
}


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A record: its body as bytes, for it may be of a kind that this program does not know."""

    turn: str
    kind: str
    version: int
    body: bytes
    time: int


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one commit changed, or what was forgotten, and when."""

    time: float
    """Unix seconds: what is read back gets the times that it had."""
    changes: tuple[tuple[str, dict[str, Any]], ...] = ()
    forgotten: tuple[str, ...] = ()
    why: str = ""


def written(line: Line) -> bytes:
    return msgspec.json.encode(line) + b"\n"


def read(data: bytes) -> Line:
    return msgspec.json.decode(data, type=Line)


def kept(changes: Sequence[Change]) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Make *changes* fit for a line."""
    return tuple((type(change).__name__, _fields(change)) for change in changes)


def changes(line: Line) -> tuple[Change, ...]:
    """Give the changes of a line back."""
    return tuple(_change(kind, fields) for kind, fields in line.changes)


def without(line: Line, last: Line, settled: Callable[[str, str], bool]) -> Line:
    """Give the line without what *last* forgets, nor the content of items that have ended."""
    blank = encode(Erased(why=last.why))

    def bare(change: Change) -> Change:
        match change:
            case Append(session=session) if session in last.forgotten:
                bodies = tuple(Record(r.turn, decode(*blank), time=r.time) for r in change.records)
                return msgspec.structs.replace(change, records=bodies)
            case Describe(session=session) if session in last.forgotten:
                return Describe(session)
            case SetState(scope="session", of=session) if session in last.forgotten:
                return msgspec.structs.replace(change, value=None)
            case Enqueue(queue=queue, key=key) if settled(queue, key):
                return msgspec.structs.replace(change, item=b"")
            case Settle(queue=queue, key=key) if settled(queue, key):
                return msgspec.structs.replace(change, item=None)
        return change

    return msgspec.structs.replace(line, changes=kept([bare(one) for one in changes(line)]))


def _fields(change: Change) -> dict[str, Any]:
    fields = msgspec.structs.asdict(change)
    if isinstance(change, Append):
        fields["records"] = [
            Row(record.turn, *encode(record.body), record.time) for record in change.records
        ]
    return fields


def _change(kind: str, fields: dict[str, Any]) -> Change:
    if kind == "Append":
        rows = msgspec.convert(fields["records"], list[Row])
        records = (Record(r.turn, decode(r.kind, r.version, r.body), time=r.time) for r in rows)
        return Append(**{**fields, "records": tuple(records)})
    change: Change = msgspec.convert(fields, KINDS[kind])
    return change
