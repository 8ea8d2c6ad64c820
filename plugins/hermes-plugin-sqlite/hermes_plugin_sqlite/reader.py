"""What is read, as functions of a connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from hermes import Erased, Item, Lease, Record, SessionId, SessionInfo, SessionKey, decode
from hermes_plugin_sqlite.changes import ROLE_MASK

_INFO = (
    "SELECT id, title, surface, person, directory, parent, created, updated, head, head, open_turn"
    " FROM sessions"
)


def records(db: apsw.Connection, session: SessionId, after: int, limit: int | None) -> list[Record]:
    rows = db.execute(
        "SELECT turn, kind, version, payload, seq, time FROM records"
        " WHERE session = (SELECT number FROM sessions WHERE id = ?) AND seq > ?"
        " ORDER BY seq LIMIT ?",
        (session, after, -1 if limit is None else limit),
    )
    return [
        Record(turn, decode(kind, version, payload), seq, time)
        for turn, kind, version, payload, seq, time in rows
    ]


def session(db: apsw.Connection, session: SessionId) -> SessionInfo | None:
    row = db.execute(f"{_INFO} WHERE id = ? AND erased = 0", (session,)).fetchone()
    return SessionInfo(*row) if row else None


def sessions(
    db: apsw.Connection,
    person: str | None,
    surface: str | None,
    open_turns: bool,
    before: int | None,
    limit: int,
) -> list[SessionInfo]:
    """Those that have begun and were not forgotten."""
    where, values = ["head > 0", "erased = 0", "open_turn != ''" if open_turns else "child = 0"], []
    wanted: tuple[tuple[str, Any], ...] = (
        ("person = ?", person),
        ("surface = ?", surface),
        ("updated < ?", before),
    )
    for condition, value in wanted:
        if value is not None:
            where.append(condition)
            values.append(value)
    rows = db.execute(
        f"{_INFO} WHERE {' AND '.join(where)} ORDER BY updated DESC, number DESC LIMIT ?",
        (*values, limit),
    )
    return [SessionInfo(*row) for row in rows]


def find(db: apsw.Connection, text: str, person: str | None) -> list[SessionInfo]:
    """An exact id comes first, then what was updated last."""
    if not text:
        return []
    rows = db.execute(
        f"{_INFO} WHERE erased = 0 AND (? IS NULL OR person = ?)"
        " AND (title = ? OR id >= ? AND id < ?)"
        " ORDER BY id = ? DESC, updated DESC, number DESC",
        (person, person, text, text, text + "\U0010ffff", text),
    )
    return [SessionInfo(*row) for row in rows]


def bound(db: apsw.Connection, key: SessionKey) -> SessionId | None:
    found = db.execute(
        "SELECT session FROM bindings WHERE platform = ? AND account = ? AND chat = ?"
        " AND thread = ? AND person = ?",
        (key.platform, key.account, key.chat, key.thread, key.person),
    ).get
    return None if found is None else str(found)


def keys(db: apsw.Connection, session: SessionId) -> tuple[SessionKey, ...]:
    rows = db.execute(
        "SELECT platform, chat, account, thread, person FROM bindings WHERE session = ?", (session,)
    )
    return tuple(SessionKey(*map(str, row)) for row in rows)


def pending(
    db: apsw.Connection, queue: str, limit: int | None, keys: Sequence[str] | None = None
) -> list[Item]:
    only = "" if keys is None else f" AND key IN ({', '.join('?' * len(keys))})"
    rows = db.execute(
        f"SELECT key, item, time FROM queue WHERE queue = ? AND end = ''{only} ORDER BY id LIMIT ?",
        (queue, *(keys or ()), -1 if limit is None else limit),
    )
    return [Item(*row) for row in rows]


def state(db: apsw.Connection, scope: str, of: str, name: str, now: int) -> bytes | None:
    row = db.execute(
        "SELECT value FROM state WHERE scope = ? AND of = ? AND name = ?"
        " AND (until IS NULL OR until > ?)",
        (scope, of, name, now),
    ).fetchone()
    return row[0] if row else None


def lease(db: apsw.Connection, name: str, now: int) -> Lease | None:
    row = db.execute(
        "SELECT name, owner, until FROM leases WHERE name = ? AND until > ?", (name, now)
    ).fetchone()
    return Lease(*row) if row else None


def counts(db: apsw.Connection) -> tuple[int, int]:
    """How many conversations have begun and are not forgotten, and their records."""
    row = db.execute(
        "SELECT count(*), coalesce(sum(head), 0) FROM sessions WHERE head > 0 AND erased = 0"
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def size(db: apsw.Connection) -> int:
    """Count the bytes of a database that is no file."""
    pages, each = db.execute("PRAGMA page_count").get, db.execute("PRAGMA page_size").get
    return int(pages) * int(each)


def damage(db: apsw.Connection) -> list[str]:
    """Look for damage in the file, in the index, and in what we promise of them."""
    found = [
        f"integrity: {line}" for (line,) in db.execute("PRAGMA integrity_check") if line != "ok"
    ]
    found += [f"foreign key: {row}" for row in db.execute("PRAGMA foreign_key_check")]
    found += [
        f"conversation {id}: head is {head} but there are {count} records up to {last}"
        for id, head, count, last in db.execute(
            "SELECT s.id, s.head, count(r.id), coalesce(max(r.seq), 0) FROM sessions s"
            " LEFT JOIN records r ON r.session = s.number GROUP BY s.number"
            " HAVING s.head != count(r.id) OR s.head != coalesce(max(r.seq), 0)"
        )
    ]
    # A contentless index has no text to compare with; its rows must be those that have a role.
    wanted = f"SELECT id FROM records WHERE id & {ROLE_MASK} AND kind != '{Erased.kind}'"
    there = "SELECT id FROM words_docsize"
    for what, (count, lowest) in {
        "is not in the index": _compare(db, wanted, there),
        "is in the index and should not be": _compare(db, there, wanted),
    }.items():
        if count:
            found.append(f"full-text index: record {lowest} (of {count}) {what}")
    return found


def _compare(db: apsw.Connection, these: str, those: str) -> tuple[int, int]:
    row = db.execute(
        f"SELECT count(*), coalesce(min(id), 0) FROM ({these} EXCEPT {those})"
    ).fetchone()
    assert row is not None
    return row[0], row[1]
