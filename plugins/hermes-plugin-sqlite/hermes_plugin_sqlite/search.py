"""Full-text search: the best of the newest hits (architecture §13).

Ranking every hit takes time in proportion to their number (half a second for a common word among
300,000 records), so only the newest `CANDIDATES` are ranked. For the same reason the rank is not
FTS5's own ``bm25``, which counts all hits of every phrase first: how common a phrase is, is read
off how far back its newest hits reach.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from hermes import Hit, SessionId, decode, searchable
from hermes_plugin_sqlite.changes import BLOCK_BITS, ROLE_BITS, ROLE_MASK, ROLES
from hermes_plugin_sqlite.text import Query, parse, snippet

CANDIDATES = 2000
SAMPLE = 200
"""Newest hits of a phrase from which its frequency is estimated."""
K1, B = 1.2, 0.75  # as FTS5's bm25


@dataclass(frozen=True, slots=True)
class Asked:
    """What to search for, as `Store.search` is given it."""

    query: str
    person: str | None
    session: SessionId | None
    roles: tuple[str, ...]
    limit: int
    before: int | None
    newest: bool


def relevance(api: apsw.FTS5ExtensionApi, *weights: Any) -> float:
    """Score the current row by BM25 with the given weight for each phrase. An FTS5 function."""
    average = api.aux_data
    if average is None:
        average = api.aux_data = max(1.0, api.column_total_size(0) / max(1, api.row_count))
    norm = K1 * (1 - B + B * api.column_size(0) / average)
    score = 0.0
    for phrase, weight in enumerate(weights):
        if weight:
            count = len(api.phrase_column_offsets(phrase, 0))
            score += weight * count * (K1 + 1) / (count + norm)
    return score


def search(db: apsw.Connection, asked: Asked) -> list[Hit]:
    """Run a search in one read transaction on a connection that knows `relevance`."""
    query = parse(asked.query)
    if not query.match or not asked.roles or asked.limit < 1:
        return []
    db.execute("BEGIN")
    try:
        return [_hit(db, row, query) for row in _best(db, asked, query)]
    finally:
        db.execute("ROLLBACK")


def _best(db: apsw.Connection, asked: Asked, query: Query) -> list[tuple[Any, ...]]:
    filters = _filters(db, asked)
    weights = _weights(db, query.phrases)
    score = ", ".join(["words", *("?" for _ in weights)])
    # A record is looked at only where a filter must: each is a page of its own in a large file.
    join = " CROSS JOIN records r ON r.id = words.rowid" if any("r." in f for f in filters) else ""
    rows = db.execute(
        f"SELECT relevance({score}), words.rowid FROM words{join}"
        f" WHERE words MATCH ? AND {' AND '.join(filters)}"
        f" ORDER BY words.rowid {'DESC' if asked.newest else 'ASC'} LIMIT {CANDIDATES}",
        (*weights, query.match, *(value for values in filters.values() for value in values)),
    ).fetchall()
    return heapq.nlargest(
        asked.limit, rows, key=lambda row: (row[0], row[1] if asked.newest else -row[1])
    )


def _filters(db: apsw.Connection, asked: Asked) -> dict[str, tuple[Any, ...]]:
    """Give conditions and the values for them."""
    codes = tuple(ROLES.get(role, 0) for role in asked.roles)
    filters: dict[str, tuple[Any, ...]] = {
        f"words.rowid & {ROLE_MASK} IN ({', '.join('?' for _ in codes)})": codes
    }
    if asked.before is not None:
        # Ids go up with time, except for what was imported; blocks say where to start all the same.
        block = db.execute("SELECT max(block) FROM blocks WHERE oldest < ?", (asked.before,)).get
        filters["words.rowid < ?"] = (0 if block is None else (block + 1) << BLOCK_BITS,)
        filters["r.time < ?"] = (asked.before,)
    if asked.session is not None:
        span = (
            "SELECT s.number,"
            " (SELECT id FROM records WHERE session = s.number ORDER BY seq LIMIT 1),"
            " (SELECT id FROM records WHERE session = s.number ORDER BY seq DESC LIMIT 1)"
            " FROM sessions s WHERE s.id = ?"
        )
        number, first, last = db.execute(span, (asked.session,)).get or (0, 0, 0)
        filters["words.rowid BETWEEN ? AND ?"] = (first, last)
        filters["r.session = ?"] = (number,)
    if asked.person is not None:
        everyone = db.execute("SELECT min(person), max(person) FROM sessions").get
        if everyone != (asked.person, asked.person):
            mine = "SELECT number FROM sessions WHERE person = ?"
            filters[f"r.session IN ({mine})"] = (asked.person,)
    return filters


def _weights(db: apsw.Connection, phrases: Sequence[str]) -> list[float]:
    """Weigh each phrase by how rare it is; a single one needs no weighing."""
    if len(phrases) == 1:
        return [1.0]
    newest = db.execute("SELECT max(id) FROM records").get or 0
    total = max(1, newest >> ROLE_BITS)
    weights = []
    for phrase in phrases:
        if not phrase:
            weights.append(0.0)
            continue
        count, oldest = db.execute(
            "SELECT count(*), min(rowid) FROM"
            " (SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?)",
            (phrase, SAMPLE),
        ).get
        if count == SAMPLE:
            count = count * total / ((newest >> ROLE_BITS) - (oldest >> ROLE_BITS) + 1)
        weights.append(math.log1p((total - count + 0.5) / (count + 0.5)))
    return weights


def _hit(db: apsw.Connection, row: tuple[Any, ...], query: Query) -> Hit:
    session, title, seq, time, kind, version, payload = db.execute(
        "SELECT s.id, s.title, r.seq, r.time, r.kind, r.version, r.payload"
        " FROM records r JOIN sessions s ON s.number = r.session WHERE r.id = ?",
        (row[1],),
    ).get
    _, text = searchable(decode(kind, version, payload))
    role = next(role for role, code in ROLES.items() if code == row[1] & ROLE_MASK)
    return Hit(session, seq, role, snippet(text, query.pattern), time, title)
