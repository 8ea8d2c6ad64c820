"""Child processes: whole trees end, and only those that should."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hermes.children import ProcessChildren
from hermes.secrets import SecretStore
from hermes.trees import MARK, marked

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

TREE = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in sys.argv else signal.SIG_DFL)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:            # the daemon: no parent, no group, no session in common
        time.sleep(600)
    os._exit(0)
if os.fork() == 0:                # one that wipes its environment
    os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)"], {})
time.sleep(600)
"""
"""Three processes: itself, a daemon, and one without the mark."""

OWNER = """
import os, subprocess, sys, time
from pathlib import Path
from hermes.children import ProcessChildren
table = ProcessChildren(Path(sys.argv[1]))
env = dict(os.environ)
print(table.mark(env, what="a tree"), flush=True)
subprocess.Popen([sys.executable, "-c", sys.argv[2]], env=env)
time.sleep(600)
"""


async def until(condition: object, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "did not happen"
        await asyncio.sleep(0.02)


def start(table: ProcessChildren, *arguments: str) -> tuple[str, subprocess.Popen[bytes]]:
    env = dict(os.environ)
    token = table.mark(env, what="a tree")
    return token, subprocess.Popen([sys.executable, "-c", TREE, *arguments], env=env)


@pytest.mark.parametrize("how", ["polite", "deaf"])
async def test_killing_a_child_ends_its_whole_tree(tmp_path: Path, how: str) -> None:
    table = ProcessChildren(tmp_path)
    token, child = start(table, how)
    other, bystander = start(table)
    await until(lambda: len(table.alive(token)) == 3 and len(table.alive(other)) == 3)

    await table.kill(token, grace=0.3)

    assert table.alive(token) == ()
    assert child.wait() == -(signal.SIGKILL if how == "deaf" else signal.SIGTERM)
    assert len(table.alive(other)) == 3
    assert list(table.listed()) == [other]
    await table.close()
    bystander.wait()
    assert list(tmp_path.iterdir()) == []


async def test_the_trees_of_an_owner_that_was_killed_are_reaped_and_no_others(
    tmp_path: Path,
) -> None:
    living = ProcessChildren(tmp_path)
    token, child = start(living)
    dead = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), TREE], stdout=subprocess.PIPE, text=True
    )
    assert dead.stdout is not None
    dead.stdout.readline()
    (record,) = [
        file for file in tmp_path.glob("*.json") if json.loads(file.read_text())["pid"] == dead.pid
    ]
    owner = json.loads(record.read_text())["owner"]
    await until(lambda: len(marked(f"{owner}:")) == 3 and len(living.alive(token)) == 3)

    assert await ProcessChildren(tmp_path).reap() == []
    assert len(marked(f"{owner}:")) == 3

    dead.send_signal(signal.SIGKILL)
    dead.wait()
    dead.stdout.close()
    assert await ProcessChildren(tmp_path).reap() == ["a tree"]
    assert marked(f"{owner}:") == set()
    assert not record.exists()
    assert len(living.alive(token)) == 3
    await living.kill(token)
    child.wait()


async def test_a_number_that_was_given_to_another_process_is_not_the_owner(tmp_path: Path) -> None:
    table = ProcessChildren(tmp_path)
    token, child = start(table)
    (file,) = tmp_path.glob("*.json")
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "start": "1"}))

    assert await ProcessChildren(tmp_path).reap() == ["a tree"]
    assert table.alive(token) == ()
    child.wait()


async def test_owners_in_another_container_are_left_alone_and_of_another_boot_forgotten(
    tmp_path: Path,
) -> None:
    table = ProcessChildren(tmp_path)
    table.mark({}, what="x")
    (file,) = tmp_path.glob("*.json")
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "namespace": "pid:[1]", "start": "1"}))
    assert await ProcessChildren(tmp_path).reap() == []
    assert file.exists()
    file.write_text(json.dumps({**record, "boot": "another"}))
    assert await ProcessChildren(tmp_path).reap() == []
    assert not file.exists()
    (tmp_path / "children-bad.json").write_text("{")
    assert await ProcessChildren(tmp_path).reap() == []


def test_marks_of_a_hermes_above_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, "above:1")
    table = ProcessChildren(tmp_path)
    env: dict[str, str] = {}
    token = table.mark(env, what="x")
    assert env[MARK].startswith("above:1,")
    assert env[MARK].endswith(f":{token}")
    table.forget(token)
    assert list(tmp_path.iterdir()) == []


def test_a_child_gets_an_allowlist_and_never_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MY_API_KEY", "LC_ALL", "EDITOR", "FROM_FILE", "UNNAMED"):
        monkeypatch.setenv(name, "value")
    (tmp_path / ".env").write_text("FROM_FILE=x\n")
    table = ProcessChildren(tmp_path, SecretStore(tmp_path / ".env"))
    env = table.allowlist("EDITOR", "MY_API_KEY", "FROM_FILE", "NOT_SET")
    assert set(env) & {"MY_API_KEY", "FROM_FILE", "UNNAMED", "NOT_SET"} == set()
    assert {"PATH", "LC_ALL", "EDITOR"} <= set(env)


async def test_what_is_to_be_kept_outlives_its_hermes_and_is_listed_with_age_and_owner(
    tmp_path: Path,
) -> None:
    first = ProcessChildren(tmp_path)
    env = dict(os.environ)
    kept = first.mark(env, what="a server", owner="chat-1", keep=True)
    child = subprocess.Popen([sys.executable, "-c", TREE], env=env)
    passing, other = start(first)
    await until(lambda: len(first.alive(kept)) == 3 and len(first.alive(passing)) == 3)
    await first.close()
    other.wait()
    (file,) = tmp_path.glob("*.json")
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "start": "1"}))  # its Hermes is gone

    second = ProcessChildren(tmp_path)
    assert await second.reap() == []
    (listed,) = second.everything()
    assert (listed.started.what, listed.started.owner, listed.started.keep) == (
        "a server",
        "chat-1",
        True,
    )
    assert (len(listed.pids), listed.orphan) == (3, True)
    assert time.time() - listed.started.started < 60
    assert await second.end("none") is None
    ended = await second.end(listed.id, grace=0.3)
    assert ended == listed.started
    assert second.everything() == []
    assert list(tmp_path.iterdir()) == []
    child.wait()


async def test_a_kept_one_that_ended_by_itself_leaves_no_entry(tmp_path: Path) -> None:
    first = ProcessChildren(tmp_path)
    first.mark({}, what="a server", keep=True)
    (file,) = tmp_path.glob("*.json")
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "start": "1"}))
    await ProcessChildren(tmp_path).reap()
    assert list(tmp_path.iterdir()) == []


async def test_what_runs_elsewhere_is_left_for_its_backend_after_a_reboot_too(
    tmp_path: Path,
) -> None:
    first = ProcessChildren(tmp_path)
    token = first.remote("docker", "box:17", what="a command", owner="chat-1")
    first.remote("docker", "box:18", what="a server", keep=True)
    second = ProcessChildren(tmp_path)
    assert second.left() == {}
    (file,) = tmp_path.glob("*.json")
    record = json.loads(file.read_text())
    file.write_text(json.dumps({**record, "boot": "another"}))
    await second.reap()
    assert {id: one.handle for id, one in second.left()["docker"].items()} == {token: "box:17"}
    assert len(second.everything()) == 2
    await second.end(token)
    assert second.left() == {}
    assert [one.started.handle for one in second.everything()] == ["box:18"]
