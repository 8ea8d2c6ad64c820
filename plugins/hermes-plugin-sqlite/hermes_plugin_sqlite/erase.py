"""Forgetting: the one rewriting of the journal (§7).

It happens in two parts. First one transaction after which nothing of the conversations can be read
or found. Then the bytes go: index segments are merged so that dropped entries leave them, the file
is rewritten where that takes no more than seconds, and the log is emptied. A mark in the file
remembers that the second part is due, so a kill between them only puts it off to the next open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from hermes import Conflict, Erased, Record, SessionId, encode, mentions
from hermes_plugin_sqlite import schema
from hermes_plugin_sqlite.changes import ROLE_MASK, holder, insert
from hermes_plugin_sqlite.database import immediate, named
from hermes_plugin_sqlite.writer import checkpoint

REWRITE_BYTES = 1 << 30
"""Up to this size the file is rewritten (VACUUM), for which writers wait. Above it there is only
``secure_delete``, which zeroes what is deleted but not the stale copy of a cell that was moved."""
MERGE_PAGES = 500


def forget(
    db: apsw.Connection, file: Path, sessions: Sequence[SessionId], why: str, now: int
) -> int:
    """Blank *sessions* in one transaction and count the records. Raises Conflict for a held one."""
    with named(file), immediate(db):
        schema.check_version(db, file)
        blanked = sum(_forget(db, session, why, now) for session in dict.fromkeys(sessions))
        db.execute("INSERT OR REPLACE INTO meta VALUES ('scrub', 1)")
        return blanked


def _forget(db: apsw.Connection, session: SessionId, why: str, now: int) -> int:
    held = holder(db, f"session:{session}", now)
    if held:
        raise Conflict(f"conversation {session} is held by {held}: stop it, then forget it")
    number = db.execute("SELECT number FROM sessions WHERE id = ? AND erased = 0", (session,)).get
    if number is None:
        return 0
    kind, version, payload = encode(Erased(why=why))
    db.execute(
        "DELETE FROM words WHERE rowid IN"
        " (SELECT id FROM records WHERE session = ? AND id & ? AND kind != ?)",
        (number, ROLE_MASK, kind),
    )
    db.execute(
        "UPDATE records SET kind = ?, version = ?, payload = ? WHERE session = ? AND kind != ?",
        (kind, version, payload, number, kind),
    )
    blanked = db.changes()
    db.execute(
        "UPDATE sessions SET title = '', directory = '', open_turn = '', erased = ?"
        " WHERE number = ?",
        (now, number),
    )
    db.execute("DELETE FROM state WHERE scope = 'session' AND of = ?", (session,))
    db.execute("DELETE FROM bindings WHERE session = ?", (session,))
    return blanked


@dataclass
class _Found:
    """What of one conversation holds the text."""

    id: SessionId
    records: set[int] = field(default_factory=set)
    turns: set[str] = field(default_factory=set)


def forget_text(
    db: apsw.Connection, file: Path, text: str, why: str, person: str | None, now: int
) -> list[SessionId]:
    """Blank the turns that hold *text* in one transaction; give the conversations. All records are
    looked through: the index finds words, not what holds them (prompts, arguments, summaries).
    """
    with named(file), immediate(db):
        schema.check_version(db, file)
        found = _find(db, text, person)
        for one in found.values():
            if held := holder(db, f"session:{one.id}", now):
                raise Conflict(f"conversation {one.id} is held by {held}: stop it, then forget")
        for number, one in found.items():
            _blank(db, number, one, why, now)
        _forget_titles_and_state(db, text, person)
        db.execute("INSERT OR REPLACE INTO meta VALUES ('scrub', 1)")
        return [one.id for one in found.values()]


_MINE = "s.erased = 0 AND (?1 IS NULL OR s.person = ?1)"


def _find(db: apsw.Connection, text: str, person: str | None) -> dict[int, _Found]:
    found: dict[int, _Found] = {}
    rows = db.execute(
        "SELECT s.number, s.id, r.id, r.turn, r.payload FROM records r"
        f" JOIN sessions s ON s.number = r.session WHERE {_MINE} AND r.kind != ?2",
        (person, Erased.kind),
    )
    for number, session, record, turn, payload in rows:
        if mentions(payload, text):
            one = found.setdefault(number, _Found(session))
            one.records.add(record)
            if turn:
                one.turns.add(turn)
    return found


def _blank(db: apsw.Connection, number: int, found: _Found, why: str, now: int) -> None:
    """Blank records and the whole turns that they belong to, and add a tombstone at the end."""
    records = found.records | {
        record
        for turn in found.turns
        for (record,) in db.execute(
            "SELECT id FROM records WHERE session = ? AND turn = ? AND kind != ?",
            (number, turn, Erased.kind),
        )
    }
    kind, version, payload = encode(Erased(why=why))
    db.executemany(
        "DELETE FROM words WHERE rowid = ?", ((each,) for each in records if each & ROLE_MASK)
    )
    db.executemany(
        "UPDATE records SET kind = ?, version = ?, payload = ? WHERE id = ?",
        ((kind, version, payload, each) for each in records),
    )
    db.executemany(
        "UPDATE sessions SET open_turn = '' WHERE number = ? AND open_turn = ?",
        ((number, turn) for turn in found.turns),
    )
    head = db.execute("SELECT head FROM sessions WHERE number = ?", (number,)).get
    insert(db, number, head, (Record("", Erased(why=why)),), now)
    db.execute("UPDATE sessions SET head = head + 1 WHERE number = ?", (number,))


def _forget_titles_and_state(db: apsw.Connection, text: str, person: str | None) -> None:
    titled = db.execute(
        f"SELECT number, title FROM sessions s WHERE {_MINE} AND title != ''", (person,)
    ).fetchall()
    db.executemany(
        "UPDATE sessions SET title = '' WHERE number = ?",
        ((number,) for number, title in titled if mentions(title, text)),
    )
    kept = db.execute(
        "SELECT id, value FROM state t WHERE ?1 IS NULL OR scope = 'person' AND of = ?1"
        f" OR scope = 'session' AND of IN (SELECT id FROM sessions s WHERE {_MINE})",
        (person,),
    ).fetchall()
    db.executemany(
        "DELETE FROM state WHERE id = ?",
        ((number,) for number, value in kept if mentions(value, text)),
    )


def is_due(db: apsw.Connection) -> bool:
    """Whether bytes of something forgotten may still lie in the file."""
    return db.execute("SELECT 1 FROM meta WHERE name = 'scrub'").get is not None


def merge(db: apsw.Connection, *, first: bool) -> bool:
    """Do a part of merging all index segments into one, and say whether there is more to do."""
    before = db.total_changes()
    pages = -MERGE_PAGES if first else MERGE_PAGES  # negative: of all segments
    db.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (pages,))
    return db.total_changes() - before >= 2


def rewrite(db: apsw.Connection) -> None:
    """Write the whole file anew, without the space that deleted things lay in."""
    pages, size = db.execute("PRAGMA page_count").get, db.execute("PRAGMA page_size").get
    if pages * size <= REWRITE_BYTES:
        db.execute("VACUUM")


def finish(db: apsw.Connection) -> bool:
    """Empty the log and take the mark away. False while a reader keeps an old state."""
    if not checkpoint(db, apsw.SQLITE_CHECKPOINT_TRUNCATE, milliseconds=1000):
        return False
    db.execute("DELETE FROM meta WHERE name = 'scrub'")
    return True
