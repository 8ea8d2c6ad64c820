"""What is forgotten is gone from the disk too."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from hermes import Append, Describe, Record, SetState, UserSaid
from hermes_plugin_sqlite.store import FILE, SQLiteStore

CLIENT = Path(__file__).with_name("client.py")
MakeContext = Callable[[Path], Any]


def bytes_on_disk(home: Path) -> bytes:
    """Everything in the folder. Only for a store that is closed, or in another process."""
    return b"".join(path.read_bytes() for path in home.glob(FILE + "*"))


async def fill(store: SQLiteStore) -> None:
    """Write conversations a (canary) and b, interleaved, in titles, state and long texts too."""
    rng = random.Random(7)
    for n in range(150):
        for session, word in (("a", "canary"), ("b", "sparrow")):
            words = [
                rng.choice((f"{word}{rng.randrange(900)}", "the", "and"))
                for _ in range(rng.choice((3, 50, 1500)))
            ]
            await store.commit(
                [
                    Append(session, (Record("t", UserSaid(text=" ".join(words))),)),
                    SetState(
                        "session",
                        session,
                        f"n{n % 9}",
                        f"{word} {n} ".encode() * rng.randrange(1, 99),
                    ),
                    Describe(session, title=f"{word} number {n}"),
                ]
            )


async def test_no_byte_of_it_stays(tmp_path: Path, context: MakeContext) -> None:
    store = SQLiteStore(context(tmp_path))
    await store.open()
    await fill(store)
    assert await store.erase(["a"], "asked to") == 150
    assert await store.search("canar*") == []
    assert len(await store.search("sparrow*")) == 20
    assert await store.check() == []
    wal = tmp_path / f"{FILE}-wal"
    assert wal.stat().st_size < 100_000, "the log was emptied while the store was open"
    await store.close()
    left = bytes_on_disk(tmp_path)
    assert b"canar" not in left
    assert b"sparrow" in left


async def test_a_kill_in_between_only_puts_it_off(tmp_path: Path, context: MakeContext) -> None:
    store = SQLiteStore(context(tmp_path))
    await store.open()
    await fill(store)
    await store.close()
    arguments = [sys.executable, str(CLIENT), str(tmp_path), "erase", "a"]
    done = await asyncio.to_thread(subprocess.run, arguments, check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    assert b"canary" in bytes_on_disk(tmp_path)
    await store.open()
    assert await store.session("a") is None
    assert store._scrubbing is not None
    await store._scrubbing
    await store.close()
    assert b"canar" not in bytes_on_disk(tmp_path)


async def test_a_reader_in_the_way_is_said_and_made_up_for(
    tmp_path: Path, context: MakeContext
) -> None:
    made = context(tmp_path)
    store = SQLiteStore(made)
    await store.open()
    await fill(store)
    reader = apsw.Connection(str(tmp_path / FILE))
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM sessions").get == 2
    assert await store.erase(["a"], "asked to") == 150
    assert "until it is opened again" in made.log.lines[0]
    reader.close()
    await store.close()
    await store.open()
    assert store._scrubbing is not None
    await store._scrubbing
    await store.close()
    assert b"canar" not in bytes_on_disk(tmp_path)


async def test_commits_go_on_meanwhile(store: SQLiteStore) -> None:
    await fill(store)
    erasing = asyncio.create_task(store.erase(["a"], "asked to"))
    for n in range(20):
        await store.commit([Append("c", (Record("t", UserSaid(text=f"wren {n}")),))])
    await erasing
    assert len(await store.search("wren")) == 20
    assert await store.check() == []
