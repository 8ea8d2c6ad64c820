"""A process on a store, for tests that kill it: ``client.py HOME write|read|erase|upgrade …``."""

from __future__ import annotations

import asyncio
import faulthandler
import itertools
import os
import random
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw

from hermes import Append, Enqueue, Record, SetState, UserSaid
from hermes_plugin_sqlite import erase, schema
from hermes_plugin_sqlite.database import connect
from hermes_plugin_sqlite.store import FILE, SQLiteStore


def context(home: Path) -> Any:
    return SimpleNamespace(
        paths=SimpleNamespace(home=home), log=SimpleNamespace(warning=lambda *a, **k: None)
    )


def say(line: str) -> None:
    """Print a whole line at once, whenever this process is killed."""
    os.write(1, f"{line}\n".encode())
    faulthandler.cancel_dump_traceback_later()


async def write(home: Path, name: str, pause: float) -> None:
    """Commit for ever, a few at a time, and print each commit once it is durable."""
    store = SQLiteStore(context(home))
    await store.open()

    async def one(number: int) -> None:
        session = f"{name}-{number % 7}"
        text = f"{name} n{number} " + "word " * random.randrange(60)
        await store.commit(
            [
                Append(session, tuple(Record("t", UserSaid(text=text)) for _ in range(2))),
                Append("shared", (Record("t", UserSaid(text=f"shared {name} n{number}")),)),
                Enqueue("inbox", f"{name}-{number}", text.encode()),
                SetState("process", "", name, str(number).encode()),
            ]
        )
        say(f"{session} {number}")

    for number in itertools.count(0, 3):
        await asyncio.gather(*(one(number + k) for k in range(3)))
        await asyncio.sleep(random.random() * pause)


async def read(home: Path) -> None:
    """Read and search for ever; what is read must never contradict itself."""
    store = SQLiteStore(context(home))
    await store.open()
    while True:
        for info in await store.sessions(limit=5):
            records = await store.records(info.id)
            assert [record.seq for record in records] == list(range(1, len(records) + 1))
            assert len(records) >= info.head
        await store.search("word shared")
        say("read")


async def forget(home: Path, session: str) -> None:
    """Forget, but die when the bytes are due."""

    def die(db: apsw.Connection, *, first: bool) -> bool:
        os.kill(os.getpid(), signal.SIGKILL)
        return False

    erase.merge = die
    store = SQLiteStore(context(home))
    await store.open()
    await store.erase([session], "asked to")


def upgrade(home: Path, die_at: int) -> None:
    """Take the steps of `test_upgrade`, dying at the n-th statement of the last two."""
    left = iter(range(die_at, -1, -1))

    def kill_point() -> None:
        if next(left, None) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    file = home / FILE
    db = connect(file)
    schema.upgrade(db, file, steps(kill_point))
    db.close()


def steps(between: Any) -> tuple[schema.Step, ...]:
    """The real steps and two more, which call *between* before and after each of their parts."""

    def add_column(db: apsw.Connection) -> None:
        between()
        db.execute("ALTER TABLE sessions ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'")
        between()
        db.execute("UPDATE sessions SET mood = 'happy' WHERE head > 1")
        between()

    def double(db: apsw.Connection) -> None:
        between()
        db.execute("CREATE TABLE doubled (id INTEGER PRIMARY KEY, head INTEGER) STRICT")
        for number, head in db.execute("SELECT number, head FROM sessions").fetchall():
            between()
            db.execute("INSERT INTO doubled VALUES (?, ?)", (number, 2 * head))
        between()

    return (*schema.STEPS, add_column, double)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(25)  # says where it hangs
    folder, what, *rest = sys.argv[1:]
    if what == "write":
        asyncio.run(write(Path(folder), rest[0], float(rest[1])))
    elif what == "read":
        asyncio.run(read(Path(folder)))
    elif what == "erase":
        asyncio.run(forget(Path(folder), rest[0]))
    else:
        upgrade(Path(folder), int(rest[0]))
