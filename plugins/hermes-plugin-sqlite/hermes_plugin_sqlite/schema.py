"""What is in the file, and how an older file becomes a newer one.

`STEPS` is only ever added to. Each step and the new ``user_version`` are one transaction, so a
kill leaves a file wholly before or wholly after a step, and the next open goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import apsw

from hermes import StoreError
from hermes_plugin_sqlite.database import APPLICATION, immediate

Step: TypeAlias = str | Callable[[apsw.Connection], None]

_FIRST = f"""
PRAGMA application_id = {APPLICATION};

CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

-- A conversation. "head" is also how many records it has: numbers have no gaps.
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL DEFAULT '',
    surface TEXT NOT NULL DEFAULT '',
    person TEXT NOT NULL,
    directory TEXT NOT NULL DEFAULT '',
    parent TEXT NOT NULL DEFAULT '',
    child INTEGER NOT NULL DEFAULT 0,   -- 1: a sub-agent's; forks have a parent too
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    head INTEGER NOT NULL DEFAULT 0,
    open_turn TEXT NOT NULL DEFAULT '',
    erased INTEGER NOT NULL DEFAULT 0   -- when it was forgotten
) STRICT;
CREATE UNIQUE INDEX sessions_title ON sessions (title) WHERE title != '';
CREATE INDEX sessions_person ON sessions (person);
CREATE INDEX sessions_updated ON sessions (updated);
CREATE INDEX sessions_open ON sessions (updated) WHERE open_turn != '';

-- "id" is the order of writing over all conversations, and the row of "words". Its lowest three
-- bits say the role (0: not in "words"), so that a search need not look at each record for it.
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (number),
    seq INTEGER NOT NULL,
    time INTEGER NOT NULL,
    turn TEXT NOT NULL,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX records_place ON records (session, seq);

-- The earliest time among 4,096 records: where a search for older records may start (search.py).
CREATE TABLE blocks (block INTEGER PRIMARY KEY, oldest INTEGER NOT NULL) STRICT;

CREATE VIRTUAL TABLE words USING fts5 (
    text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TABLE bindings (
    platform TEXT NOT NULL,
    account TEXT NOT NULL,
    chat TEXT NOT NULL,
    thread TEXT NOT NULL,
    person TEXT NOT NULL,
    session TEXT NOT NULL,
    PRIMARY KEY (platform, account, chat, thread, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX bindings_session ON bindings (session);

CREATE TABLE queue (
    id INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    item BLOB NOT NULL,                 -- emptied when settled
    time INTEGER NOT NULL,
    end TEXT NOT NULL DEFAULT '',       -- '': pending
    UNIQUE (queue, key)
) STRICT;
CREATE INDEX queue_pending ON queue (queue, id) WHERE end = '';

CREATE TABLE state (
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    of TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    until INTEGER,
    UNIQUE (scope, of, name)
) STRICT;
CREATE INDEX state_until ON state (until) WHERE until IS NOT NULL;

CREATE TABLE leases (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

STEPS: tuple[Step, ...] = (_FIRST,)


def version(db: apsw.Connection) -> int:
    """Read the schema's version; 0 for a new file."""
    found = db.execute("PRAGMA user_version").get
    assert isinstance(found, int)
    return found


def check_version(db: apsw.Connection, file: Path, known: int = len(STEPS)) -> None:
    """Raise StoreError where *file* is newer than this program knows.

    It is refused for reading too: what a newer schema means cannot be guessed.
    """
    found = version(db)
    if found > known:
        raise StoreError(
            f"the journal {file} was written by a newer Hermes (its version {found}, this program"
            f" knows {known}): pip install -U hermes-plugin-sqlite, and start again"
        )


def upgrade(db: apsw.Connection, file: Path, steps: Sequence[Step] = STEPS) -> None:
    """Bring the file up to the last of *steps*. Several processes may do so at once."""
    while True:
        check_version(db, file, len(steps))
        if version(db) == len(steps):
            return
        with immediate(db):
            done = version(db)  # again: another process may have been quicker
            if done < len(steps):
                _take(db, steps[done])
                db.execute(f"PRAGMA user_version = {done + 1}")


def _take(db: apsw.Connection, step: Step) -> None:
    if callable(step):
        step(db)
    else:
        db.execute(step).fetchall()  # apsw pauses at the first row a script gives
