"""An older file becomes a newer one wholly or not at all, and a newer one is left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import apsw
import pytest

from hermes import Append, Record, StoreError, UserSaid
from hermes_plugin_sqlite import schema
from hermes_plugin_sqlite.database import connect
from hermes_plugin_sqlite.store import FILE, SQLiteStore

RELEASED = Path(__file__).with_name("released")
CLIENT = Path(__file__).with_name("client.py")
MakeContext = Callable[[Path], Any]


def two_more_steps() -> tuple[schema.Step, ...]:
    spec = spec_from_file_location("client", CLIENT)
    assert spec is not None
    assert spec.loader is not None
    client = module_from_spec(spec)
    spec.loader.exec_module(client)
    steps: tuple[schema.Step, ...] = client.steps(lambda: None)
    return steps


async def fill(home: Path, context: MakeContext) -> None:
    store = SQLiteStore(context(home))
    await store.open()
    for n in range(3):
        records = tuple(Record("t", UserSaid(text="hello")) for _ in range(n + 1))
        await store.commit([Append(f"s{n}", records)])
    await store.close()


def upgrade(home: Path, die_at: int) -> int:
    arguments = [sys.executable, str(CLIENT), str(home), "upgrade", str(die_at)]
    return subprocess.run(arguments, check=False, timeout=30, stdin=subprocess.DEVNULL).returncode


async def test_a_kill_at_any_point_leaves_whole_steps_and_the_next_start_goes_on(
    tmp_path: Path, context: MakeContext
) -> None:
    survived = 0
    for die_at in range(20):
        home = tmp_path / str(die_at)
        home.mkdir()
        await fill(home, context)
        code = upgrade(home, die_at)
        if code == 0:
            survived = die_at
            break
        assert code == -signal.SIGKILL
        db = apsw.Connection(str(home / FILE))
        columns = [row[1] for row in db.execute("PRAGMA table_info(sessions)")]
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema")]
        assert (schema.version(db) >= 2) == ("mood" in columns)
        assert (schema.version(db) >= 3) == ("doubled" in tables)
        db.close()
        assert upgrade(home, 99) == 0
        db = apsw.Connection(str(home / FILE))
        assert schema.version(db) == 3
        assert db.execute("SELECT mood FROM sessions ORDER BY number").fetchall() == [
            ("calm",),
            ("happy",),
            ("happy",),
        ]
        assert db.execute("SELECT head FROM doubled ORDER BY id").fetchall() == [(2,), (4,), (6,)]
        db.close()
    assert survived == 8, "one run for each kill point"


async def test_many_at_once_take_each_step_once(tmp_path: Path, context: MakeContext) -> None:
    await fill(tmp_path, context)
    file, taken = tmp_path / FILE, []
    steps = two_more_steps()

    def counted(db: apsw.Connection) -> None:
        taken.append(1)
        step = steps[2]
        assert callable(step)
        step(db)

    def run(_: int) -> None:
        db = connect(file)
        schema.upgrade(db, file, (*steps[:2], counted))
        db.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))
    assert taken == [1]


async def test_a_newer_journal_is_refused_and_left_as_it_is(
    tmp_path: Path, context: MakeContext
) -> None:
    await fill(tmp_path, context)
    assert upgrade(tmp_path, 99) == 0
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreError, match=r"newer Hermes.*pip install -U hermes-plugin-sqlite"):
        await SQLiteStore(context(tmp_path)).open()
    assert (tmp_path / FILE).read_bytes() == before


async def test_a_running_older_program_stops_writing_when_a_newer_one_upgraded(
    tmp_path: Path, context: MakeContext
) -> None:
    await fill(tmp_path, context)
    store = SQLiteStore(context(tmp_path))
    await store.open()
    try:
        assert upgrade(tmp_path, 99) == 0
        with pytest.raises(StoreError, match="newer Hermes"):
            await store.commit([Append("s0", (Record("t", UserSaid(text="old ways")),))])
        with pytest.raises(StoreError, match="newer Hermes"):
            await store.erase(["s0"], "asked to")
        assert len(await store.records("s0")) == 1
    finally:
        await store.close()


@pytest.mark.parametrize("version", range(1, len(schema.STEPS) + 1))
async def test_the_file_of_every_released_version_is_read(
    tmp_path: Path, context: MakeContext, version: int
) -> None:
    """``released/N.sql`` makes a file as version N wrote it. A new step brings one along."""
    db = apsw.Connection(str(tmp_path / FILE))
    db.execute(RELEASED.joinpath(f"{version}.sql").read_text()).fetchall()
    db.close()
    store = SQLiteStore(context(tmp_path))
    await store.open()
    try:
        assert (await store.stats()).version == len(schema.STEPS)
        assert await store.check() == []
        assert [info.title for info in await store.sessions()] == ["Greetings"]
        (hit,) = await store.search("hello")
        assert [record.seq for record in await store.records(hit.session)] == [1, 2]
        await store.commit([Append(hit.session, (Record("t", UserSaid(text="on")),), after=2)])
    finally:
        await store.close()
