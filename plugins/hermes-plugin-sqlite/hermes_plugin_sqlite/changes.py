"""What each change means in SQL. Everything here runs inside the writer's transaction."""

from __future__ import annotations

from typing import Any

import apsw

from hermes import (
    OWNER,
    Append,
    Bind,
    Change,
    Conflict,
    Describe,
    Ended,
    Enqueue,
    Lease,
    Opened,
    Record,
    SetState,
    Settle,
    Steered,
    StoreError,
    UserSaid,
    encode,
    searchable,
)

ROLES = {"user": 1, "assistant": 2, "tool": 3}
"""The lowest bits of a record's id; 0 for one that no search finds, 4 to 7 are for later."""
ROLE_BITS = 3
ROLE_MASK = (1 << ROLE_BITS) - 1
BLOCK_BITS = ROLE_BITS + 12
"""A block of `blocks` is 4,096 records."""

Indexed = tuple[int, str]
"""Id and text of a record that the index is to learn."""


def apply(db: apsw.Connection, change: Change, now: int) -> list[Indexed]:
    """Make one change at time *now* (UTC µs) and give what the index is to learn of it.

    Raises Conflict or StoreError; the caller rolls back.
    """
    match change:
        case Append():
            return _append(db, change, now)
        case Describe():
            _describe(db, change, now)
        case Bind():
            _bind(db, change)
        case Enqueue():
            _enqueue(db, change, now)
        case Settle():
            _settle(db, change)
        case SetState():
            _set_state(db, change, now)
        case Lease():
            _lease(db, change, now)
    return []


def _append(db: apsw.Connection, change: Append, now: int) -> list[Indexed]:
    row = db.execute(
        "SELECT number, head, open_turn, erased FROM sessions WHERE id = ?", (change.session,)
    ).get
    number, head, open_turn, erased = row or (0, 0, "", 0)
    if erased:
        raise StoreError(f"conversation {change.session} was forgotten: start a new one")
    if change.after is not None and change.after != head:
        raise Conflict(
            f"conversation {change.session} went on elsewhere: its last record is {head},"
            f" not {change.after}"
        )
    if change.owner:
        held = holder(db, f"session:{change.session}", now)
        if held not in ("", change.owner):
            raise Conflict(f"conversation {change.session} is held by {held}")
    if not change.records:
        return []
    if not number:
        number = _new_session(db, change.session, now)
    indexed = insert(db, number, head, change.records, now)
    times = [record.time or now for record in change.records]
    if head == 0:
        db.execute(
            "UPDATE sessions SET created = ?, updated = 0 WHERE number = ?", (times[0], number)
        )
        _open(db, number, change.records)
    db.execute(
        "UPDATE sessions SET head = ?, updated = max(updated, ?), open_turn = ? WHERE number = ?",
        (head + len(times), times[-1], _open_turn(open_turn, change.records), number),
    )
    return indexed


def insert(
    db: apsw.Connection, session: int, head: int, records: tuple[Record, ...], now: int
) -> list[Indexed]:
    """Write records from *head* + 1 on; give what the index is to learn of them."""
    first = 1 + ((db.execute("SELECT max(id) FROM records").get or 0) >> ROLE_BITS)
    rows: list[tuple[Any, ...]] = []
    indexed: list[Indexed] = []
    for offset, record in enumerate(records):
        kind, version, payload = encode(record.body)
        role, text = searchable(record.body)
        code = 0 if not text or text.isspace() else ROLES.get(role, 0)
        number = first + offset << ROLE_BITS | code
        if code:
            indexed.append((number, text))
        rows.append(
            (
                number,
                session,
                head + 1 + offset,
                record.time or now,
                record.turn,
                kind,
                version,
                payload,
            )
        )
    db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    oldest = min(record.time or now for record in records)
    for block in range(rows[0][0] >> BLOCK_BITS, (rows[-1][0] >> BLOCK_BITS) + 1):
        db.execute(
            "INSERT INTO blocks VALUES (?, ?) ON CONFLICT DO UPDATE"
            " SET oldest = excluded.oldest WHERE excluded.oldest < oldest",
            (block, oldest),
        )
    return indexed


def _open(db: apsw.Connection, number: int, records: tuple[Record, ...]) -> None:
    """Note what a new conversation says of its parent."""
    for record in records:
        if isinstance(record.body, Opened):
            db.execute(
                "UPDATE sessions SET child = ?, parent = iif(parent = '', ?, parent)"
                " WHERE number = ?",
                (record.body.relation == "child", record.body.parent, number),
            )


def _open_turn(turn: str, records: tuple[Record, ...]) -> str:
    """Say which turn is open after *records*, where *turn* was open before."""
    for record in records:
        if isinstance(record.body, (UserSaid, Steered)) and record.turn:
            turn = record.turn
        elif isinstance(record.body, Ended) and record.turn == turn:
            turn = ""
    return turn


def _new_session(db: apsw.Connection, session: str, now: int) -> int:
    db.execute(
        "INSERT INTO sessions (id, person, created, updated) VALUES (?, ?, ?, ?)",
        (session, OWNER, now, now),
    )
    return db.last_insert_rowid()


def _describe(db: apsw.Connection, change: Describe, now: int) -> None:
    row = db.execute("SELECT number, erased FROM sessions WHERE id = ?", (change.session,)).get
    if row and row[1]:
        raise StoreError(f"conversation {change.session} was forgotten and has no name any more")
    number = row[0] if row else _new_session(db, change.session, now)
    if change.title:
        _check_title(db, change.title, number)
    db.execute(
        "UPDATE sessions SET title = coalesce(?, title), surface = coalesce(?, surface),"
        " person = coalesce(?, person), directory = coalesce(?, directory),"
        " parent = coalesce(?, parent) WHERE number = ?",
        (change.title, change.surface, change.person, change.directory, change.parent, number),
    )


def _check_title(db: apsw.Connection, title: str, number: int) -> None:
    """A title names one conversation, as in Hermes Agent; the error says which name is free."""
    taken = "SELECT id FROM sessions WHERE title = ? AND number != ?"
    other = db.execute(taken, (title, number)).get
    if other is None:
        return
    count = 2
    while db.execute(taken, (f"{title} #{count}", number)).get is not None:
        count += 1
    raise StoreError(f'"{title}" is the title of {other}; free is "{title} #{count}"')


def _bind(db: apsw.Connection, change: Bind) -> None:
    key = change.key
    db.execute(
        "INSERT OR REPLACE INTO bindings VALUES (?, ?, ?, ?, ?, ?)",
        (key.platform, key.account, key.chat, key.thread, key.person, change.session),
    )


def _enqueue(db: apsw.Connection, change: Enqueue, now: int) -> None:
    db.execute(
        "INSERT INTO queue (queue, key, item, time) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (change.queue, change.key, change.item, now),
    )


def _settle(db: apsw.Connection, change: Settle) -> None:
    """A settled item keeps its key and loses its content, which nobody can read any more."""
    place = (change.queue, change.key)
    row = db.execute("SELECT id, end FROM queue WHERE queue = ? AND key = ?", place).get
    if row is None:
        raise StoreError(f"queue {change.queue} never had an item {change.key}")
    number, end = row
    if change.end and end and end != change.end:
        raise Conflict(f"item {change.key} of queue {change.queue} was settled as {end} already")
    if change.end:
        db.execute("UPDATE queue SET end = ?, item = x'' WHERE id = ?", (change.end, number))
    elif change.item is not None and not end:
        db.execute("UPDATE queue SET item = ? WHERE id = ?", (change.item, number))


def _set_state(db: apsw.Connection, change: SetState, now: int) -> None:
    db.execute("DELETE FROM state WHERE until IS NOT NULL AND until <= ?", (now,))
    place = (change.scope, change.of, change.name)
    if change.value is None:
        db.execute("DELETE FROM state WHERE scope = ? AND of = ? AND name = ?", place)
    else:
        db.execute(
            "INSERT INTO state (scope, of, name, value, until) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET value = excluded.value, until = excluded.until",
            (*place, change.value, change.until),
        )


def _lease(db: apsw.Connection, change: Lease, now: int) -> None:
    held = holder(db, change.name, now)
    if held not in ("", change.owner):
        raise Conflict(f"{change.name} is held by {held}")
    if change.until == 0:
        db.execute("DELETE FROM leases WHERE name = ?", (change.name,))
    else:
        db.execute(
            "INSERT OR REPLACE INTO leases VALUES (?, ?, ?)",
            (change.name, change.owner, change.until),
        )


def holder(db: apsw.Connection, name: str, now: int) -> str:
    """Say who holds the lease *name* at time *now*; empty where nobody does."""
    found = db.execute("SELECT owner FROM leases WHERE name = ? AND until > ?", (name, now)).get
    return str(found) if found is not None else ""
