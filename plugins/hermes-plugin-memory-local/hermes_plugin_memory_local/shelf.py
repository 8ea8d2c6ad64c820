"""Where passages lie: one SQLite file in the plugin's folder, with their words for a search.

Everything here blocks and belongs to one thread. No write-ahead log: what is forgotten is in no
second file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec

from hermes import mentions
from hermes_plugin_memory_files.words import words

_SCHEMA = """
CREATE TABLE IF NOT EXISTS passages (
    id INTEGER PRIMARY KEY,
    person TEXT NOT NULL,
    text TEXT NOT NULL,
    time INTEGER NOT NULL,      -- UTC microseconds when it was last said
    session TEXT NOT NULL,
    vector BLOB,                -- float16, where meanings were compared when it was kept
    bias REAL NOT NULL DEFAULT 0,
    UNIQUE (person, text)
) STRICT;
CREATE INDEX IF NOT EXISTS passages_time ON passages (person, time);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
    text, content = '', contentless_delete = 1, tokenize = 'unicode61'
);
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
"""
COVERED = 0.5
"""Share of a message's words that a passage must hold, where words are compared."""


class Passage(msgspec.Struct, frozen=True):
    """Something that a person said."""

    id: int
    text: str
    time: int
    session: str


class Shelf:
    """The file, opened."""

    def __init__(self, file: Path) -> None:
        self._db = apsw.Connection(str(file))
        file.chmod(0o600)
        self._db.set_busy_timeout(5000)
        for pragma in ("journal_mode = DELETE", "secure_delete = ON", "synchronous = FULL"):
            self._db.execute(f"PRAGMA {pragma}").fetchall()
        self._db.execute(_SCHEMA).fetchall()

    def close(self) -> None:
        self._db.close()

    def keep(self, person: str, texts: Sequence[str], time: int, session: str, most: int) -> None:
        """Keep *texts*; one that is there becomes new again. The oldest over *most* go."""
        with self._db:
            for text in texts:
                self._db.execute(
                    "INSERT INTO passages (person, text, time, session) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET time = excluded.time, session = excluded.session",
                    (person, text, time, session),
                )
                row = self._db.execute(
                    "SELECT id FROM passages WHERE person = ? AND text = ?", (person, text)
                ).get
                self._db.execute(
                    "INSERT OR REPLACE INTO words (rowid, text) VALUES (?, ?)",
                    (row, " ".join(words(text))),
                )
            old: list[Any] = self._db.execute(
                "SELECT id FROM passages WHERE person = ? ORDER BY time DESC, id DESC"
                " LIMIT -1 OFFSET ?",
                (person, most),
            ).fetchall()
            self._drop([number for (number,) in old])

    def without_vector(self, limit: int) -> list[tuple[int, str]]:
        rows: list[Any] = self._db.execute(
            "SELECT id, text FROM passages WHERE vector IS NULL ORDER BY id DESC LIMIT ?", (limit,)
        ).fetchall()
        return rows

    def set_vector(self, number: int, vector: bytes, bias: float) -> None:
        self._db.execute(
            "UPDATE passages SET vector = ?, bias = ? WHERE id = ?", (vector, bias, number)
        )

    def version(self) -> tuple[int, int]:
        """Give what changes when anybody, in this process or another, writes."""
        seen: Any = self._db.execute("PRAGMA data_version").get
        return int(seen), self._db.total_changes()

    def vectors(self, person: str) -> tuple[list[int], bytes, list[float]]:
        """Give ids, vectors one after the other, and biases of a person's passages."""
        rows: list[Any] = self._db.execute(
            "SELECT id, vector, bias FROM passages WHERE person = ? AND vector IS NOT NULL",
            (person,),
        ).fetchall()
        return [r[0] for r in rows], b"".join(r[1] for r in rows), [r[2] for r in rows]

    def passages(self, numbers: Sequence[int]) -> list[Passage]:
        """Give passages, in the order of *numbers*."""
        marks = ", ".join("?" * len(numbers))
        rows: Any = self._db.execute(
            f"SELECT id, text, time, session FROM passages WHERE id IN ({marks})", numbers
        )
        found = {row[0]: Passage(*row) for row in rows}
        return [found[number] for number in numbers if number in found]

    def by_words(self, person: str, message: str, limit: int) -> list[Passage]:
        """Find a person's passages that hold most of what *message* says."""
        asked = list(dict.fromkeys(words(message)))[:40]
        if not asked:
            return []
        query = " OR ".join(f'"{word}"' for word in asked)
        rows: Any = self._db.execute(
            "SELECT p.id, p.text, p.time, p.session FROM words w JOIN passages p ON p.id = w.rowid"
            " WHERE words MATCH ? AND p.person = ? ORDER BY bm25(words), p.time DESC LIMIT ?",
            (query, person, limit * 5),
        )
        found = [Passage(*row) for row in rows]
        least = COVERED * len(asked)
        return [each for each in found if len(set(asked) & set(words(each.text))) >= least][:limit]

    def forget(self, person: str, about: str) -> int:
        """Take out a person's passages that hold *about*, down to the bytes; count them."""
        select = "SELECT id, text FROM passages WHERE person = ?"
        rows: list[Any] = self._db.execute(select, (person,)).fetchall()
        gone = [number for number, text in rows if mentions(text, about)]
        if not gone:
            return 0
        with self._db:
            self._drop(gone)
            self._db.execute("INSERT INTO words (words) VALUES ('optimize')")
        self._db.execute("VACUUM")
        return len(gone)

    def _drop(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._db.execute("DELETE FROM words WHERE rowid = ?", (number,))
            self._db.execute("DELETE FROM passages WHERE id = ?", (number,))
