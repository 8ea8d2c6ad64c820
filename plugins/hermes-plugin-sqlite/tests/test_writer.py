"""Commits in company: one wait for the disk, and each its own fate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from hermes import Append, Enqueue, Record, SessionInfo, StoreError, UserSaid
from hermes_plugin_sqlite.store import SQLiteStore
from hermes_plugin_sqlite.writer import GROUP


def said(text: str) -> Record:
    return Record("t", UserSaid(text=text))


async def held_up(store: SQLiteStore) -> Callable[[], None]:
    """Keep the writer busy until the returned function is called, so that commits must queue."""
    go = asyncio.get_running_loop().create_future()
    import threading

    gate = threading.Event()
    started = threading.Event()

    def wait(_: apsw.Connection) -> None:
        started.set()
        gate.wait(30)

    go = asyncio.ensure_future(store._writer.call(wait))
    await asyncio.to_thread(started.wait, 30)
    assert not go.done()
    return gate.set


async def test_commits_that_wait_together_share_one_wait_for_the_disk(store: SQLiteStore) -> None:
    go = await held_up(store)
    waiting = [
        asyncio.create_task(store.commit([Append("s", (said(str(n)),))])) for n in range(100)
    ]
    await asyncio.sleep(0)
    before = (await store.stats()).commits
    go()
    await asyncio.gather(*waiting)
    assert (await store.stats()).commits - before == 1
    assert [record.body for record in await store.records("s")] == [
        UserSaid(text=str(n)) for n in range(100)
    ]


async def test_a_group_has_at_most_500_changes(store: SQLiteStore) -> None:
    go = await held_up(store)
    waiting = [
        asyncio.create_task(store.commit([Append("s", tuple(said("x") for _ in range(100)))]))
        for _ in range(12)
    ]
    waiting.append(asyncio.create_task(store.commit([Append("big", (said("x"),) * (2 * GROUP))])))
    await asyncio.sleep(0)
    before = (await store.stats()).commits
    go()
    await asyncio.gather(*waiting)
    assert (await store.stats()).commits - before == 4  # 500, 500, 200, and the big one


async def test_one_bad_commit_does_not_take_others_along(store: SQLiteStore) -> None:
    go = await held_up(store)
    kinds: list[Any] = [
        [Append("s", (said("one"),))],
        [Append("s", (said("in vain"),)), Append("s", (said("x"),), after=7)],
        [Append("s", (said("lone \ud800"),))],
        [Enqueue("q", "k", b"item"), "nonsense", Enqueue("q", "k2", 2**70)],
        [Append("s", (said("two"),))],
    ]
    waiting = [asyncio.create_task(store.commit(changes)) for changes in kinds]
    await asyncio.sleep(0)
    go()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [result is None for result in results] == [True, False, False, False, True]
    assert [record.body for record in await store.records("s")] == [
        UserSaid(text="one"),
        UserSaid(text="two"),
    ]
    assert [hit.snippet for hit in await store.search("vain OR one OR two")] == ["two", "one"]
    assert await store.pending("q") == []
    assert await store.check() == []


async def test_a_full_disk_fails_who_needs_it_and_spares_who_does_not(store: SQLiteStore) -> None:
    await store.commit([Append("s", (said("before"),))])
    limit = await store._writer.call(lambda db: db.execute("PRAGMA page_count").get + 30)
    await store._writer.call(lambda db: db.execute(f"PRAGMA max_page_count = {limit}").get)
    go = await held_up(store)
    small = [asyncio.create_task(store.commit([Append("s", (said(str(n)),))])) for n in range(2)]
    big = asyncio.create_task(store.commit([Append("big", (said("x" * 1_000_000),))]))
    await asyncio.sleep(0)
    go()
    results = await asyncio.gather(*small, big, return_exceptions=True)
    assert results[:2] == [None, None]
    assert "no space is left for the journal" in str(results[2])
    assert len(await store.records("s")) == 3
    assert await store.records("big") == []
    assert await store.check() == []


async def test_a_cancelled_caller_leaves_the_others_alone(store: SQLiteStore) -> None:
    go = await held_up(store)
    first = asyncio.create_task(store.commit([Append("s", (said("one"),))]))
    second = asyncio.create_task(store.commit([Append("s", (said("two"),))]))
    await asyncio.sleep(0)
    first.cancel()
    go()
    await second
    assert first.cancelled()
    assert len(await store.records("s")) == 2, "a cancelled caller's commit may still happen"


async def test_closing_finishes_what_was_asked(
    tmp_path: Path, context: Callable[[Path], Any]
) -> None:
    store = SQLiteStore(context(tmp_path))
    await store.open()
    assert await store.search("x") == []
    waiting = [asyncio.create_task(store.commit([Append("s", (said("x"),))])) for _ in range(50)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*waiting)
    with pytest.raises(StoreError, match="closed"):
        await store.commit([Append("s", (said("late"),))])
    with pytest.raises(StoreError, match="closed"):
        await store.records("s")
    await store.close()
    await store.open()
    info = await store.session("s")
    assert isinstance(info, SessionInfo)
    assert info.records == 50
    assert len(await store.search("x")) == 20
    await store.close()


async def test_the_log_is_moved_into_the_file_as_it_grows(
    store: SQLiteStore, tmp_path: Path
) -> None:
    for n in range(30):
        await store.commit([Append("s", tuple(said(f"{n} {k} " + "x" * 2000) for k in range(200)))])
    assert (tmp_path / "journal.db").stat().st_size > 8 << 20
    assert (tmp_path / "journal.db-wal").stat().st_size < 20 << 20
