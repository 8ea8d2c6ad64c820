"""The file: whose it is, where it may lie, what SQLite it needs, and that nothing else opens it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from hermes import Append, Record, StoreError, UserSaid
from hermes_plugin_sqlite import database
from hermes_plugin_sqlite.store import FILE, SQLiteStore

MakeContext = Callable[[Path], Any]
HELLO = Append("s", (Record("t", UserSaid(text="hello")),))


async def test_nobody_else_may_read_it(store: SQLiteStore, tmp_path: Path) -> None:
    await store.commit([HELLO])
    for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


async def test_a_file_that_others_could_read_is_made_private(
    tmp_path: Path, context: MakeContext
) -> None:
    store = SQLiteStore(context(tmp_path))
    await store.open()
    await store.close()
    (tmp_path / FILE).chmod(0o644)
    await store.open()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    await store.close()


async def test_it_is_made_durable(store: SQLiteStore) -> None:
    def pragmas(db: apsw.Connection) -> dict[str, Any]:
        names = ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
        return {name: db.execute(f"PRAGMA {name}").get for name in names}

    assert await store._writer.call(pragmas) == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
    }


def test_an_old_library_is_refused_with_the_mend() -> None:
    with pytest.raises(StoreError, match=r"SQLite 3\.40\.1 .* 3\.51\.3 .*pip install -U 'apsw"):
        database.check_library("3.40.1")
    database.check_library("3.51.3")
    database.check_library()


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /mnt/team\\040share rw,relatime shared:2 - nfs4 nas:/vol rw
31 22 0:41 / /mnt/win rw - cifs //srv/share rw
32 30 0:42 / /mnt/team\\040share/local rw - xfs /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/ann/.hermes", "ext4"),
        ("/mnt/team share/home", "nfs4"),
        ("/mnt/team share/local/home", "xfs"),
        ("/mnt/windows", "ext4"),
        ("/mnt/win/x", "cifs"),
    ],
)
def test_the_file_system_of_a_folder_is_known(folder: str, kind: str) -> None:
    assert database.file_system(Path(folder), MOUNTS) == kind


def test_a_network_folder_is_refused_by_name() -> None:
    with pytest.raises(StoreError, match=r"/mnt/team share/home.*nfs4.*HERMES_HOME"):
        database.check_folder(Path("/mnt/team share/home"), MOUNTS)
    database.check_folder(Path("/home/ann"), MOUNTS)
    database.check_folder(Path("/"), "nonsense\n\n1 2 3 - x")


@pytest.mark.parametrize("how", ["no database", "torn header", "torn schema"])
async def test_a_damaged_file_is_named_and_left_as_it_is(
    tmp_path: Path, context: MakeContext, how: str
) -> None:
    file = tmp_path / FILE
    store = SQLiteStore(context(tmp_path))
    await store.open()
    await store.commit([HELLO])
    await store.close()
    data = bytearray(file.read_bytes())
    if how == "no database":
        data = bytearray(b"these are somebody's notes\n" * 400)
    elif how == "torn header":
        data[:16] = b"\xff" * 16
    else:
        data[100:4096] = b"\xff" * 3996
    file.write_bytes(data)
    with pytest.raises(StoreError, match=rf"{file} is damaged .* left as it is: move it away"):
        await store.open()
    assert file.read_bytes() == bytes(data)


async def test_another_program_s_database_is_left_alone(
    tmp_path: Path, context: MakeContext
) -> None:
    db = apsw.Connection(str(tmp_path / FILE))
    db.execute("CREATE TABLE notes (text)")
    db.close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreError, match="another program: move it away"):
        await SQLiteStore(context(tmp_path)).open()
    assert (tmp_path / FILE).read_bytes() == before


async def test_a_home_that_is_not_there_is_named(tmp_path: Path, context: MakeContext) -> None:
    with pytest.raises(StoreError, match=r"cannot be opened for writing .*check that .*nowhere"):
        await SQLiteStore(context(tmp_path / "nowhere")).open()


async def test_a_lock_that_is_never_given_back_is_named(store: SQLiteStore, tmp_path: Path) -> None:
    await store._writer.call(lambda db: db.set_busy_timeout(50))
    db = apsw.Connection(str(tmp_path / FILE))
    db.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(
        *(store.commit([HELLO]) for _ in range(3)), return_exceptions=True
    )
    assert all("stayed locked by another process" in str(result) for result in results)
    db.execute("ROLLBACK")
    db.close()
    await store.commit([HELLO])


async def test_many_may_make_the_file_at_once(tmp_path: Path, context: MakeContext) -> None:
    stores = [SQLiteStore(context(tmp_path)) for _ in range(8)]
    await asyncio.gather(*(store.open() for store in stores))
    await asyncio.gather(*(store.commit([HELLO]) for store in stores))
    assert len(await stores[0].records("s")) == 8
    await asyncio.gather(*(store.close() for store in stores))


AUDITED = """
import asyncio, json, os, sys
from pathlib import Path
from types import SimpleNamespace

opened = []
def hook(event, args):
    if event in ("open", "os.open", "shutil.copyfile", "os.link", "sqlite3.connect"):
        opened.append(os.fsdecode(args[0]) if args and isinstance(args[0], (str, bytes)) else "")
sys.addaudithook(hook)

from hermes import Append, Enqueue, Record, UserSaid
from hermes_plugin_sqlite.store import FILE, SQLiteStore

async def main(home):
    log = SimpleNamespace(warning=lambda *a, **k: None)
    context = SimpleNamespace(paths=SimpleNamespace(home=home), log=log)
    for _ in range(2):
        store = SQLiteStore(context)
        await store.open()
        for n in range(1500):
            record = Record("t", UserSaid(text="hello %d" % n))
            await store.commit([Append("s%d" % (n % 3), (record,))])
        await store.records("s1")
        await store.search("hello")
        await store.stats()
        await store.check()
        await store.erase(["s2"], "asked to")
        await store.close()
        os.rename(home / FILE, home / "kept.db")
    print(json.dumps([name for name in opened if FILE in name]))
    open(home / FILE, "w").close()
    print(json.dumps([name for name in opened if FILE in name]))

asyncio.run(main(Path(sys.argv[1])))
"""


def test_nothing_but_sqlite_ever_opens_the_file(tmp_path: Path) -> None:
    """Through open, record, search, count, check, forget and close (pain point 1)."""
    run = subprocess.run(
        [sys.executable, "-c", AUDITED, str(tmp_path)],
        check=True,
        capture_output=True,
        timeout=60,
        text=True,
    )
    by_the_store, with_ours = map(json.loads, run.stdout.splitlines())
    assert by_the_store == []
    assert with_ours == [str(tmp_path / FILE)], "the hook would have seen it"
