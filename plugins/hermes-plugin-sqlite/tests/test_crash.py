"""Processes that share a journal and are killed: nothing acknowledged is lost, nothing is torn."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes import UserSaid
from hermes_plugin_sqlite.store import SQLiteStore

MakeContext = Callable[[Path], Any]
CLIENT = Path(__file__).with_name("client.py")


class Client:
    """A process, and every whole line that came through its pipe before it died."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.lines: list[str] = []
        self.errors = ""
        self.said = threading.Event()
        self.process = subprocess.Popen(
            [sys.executable, str(CLIENT), str(home), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._threads = [
            threading.Thread(target=self._read_lines),
            threading.Thread(target=self._read_errors),
        ]
        for thread in self._threads:
            thread.start()

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.endswith(b"\n"):
                self.lines.append(line.decode().strip())
            self.said.set()
        self.said.set()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read().decode()

    def must_speak(self) -> None:
        """Wait for its first line. A client that hangs says where, on its standard error."""
        if not self.said.wait(30):
            self.kill()

    def kill(self) -> None:
        """SIGKILL it, and wait until all it said is read."""
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        assert not self.errors, f"{self.process.args}\n{self.errors}"


def kill_at_random(
    home: Path, *, writers: int, readers: int, kills: int, pause: float
) -> list[str]:
    """Run so many processes, kill one of them so often, and give every acknowledged commit."""
    names = iter(range(1_000_000))

    def start(kind: int) -> Client:
        if kind < writers:
            return Client(home, "write", f"w{next(names)}", str(pause))
        return Client(home, "read")

    clients = [start(kind) for kind in range(writers + readers)]
    dead: list[Client] = []
    try:
        for _ in range(kills):
            victim = random.randrange(len(clients))
            clients[victim].must_speak()
            time.sleep(random.random() * 0.1)  # anywhere in what it does
            clients[victim].kill()
            dead.append(clients[victim])
            clients[victim] = start(victim)
        for client in clients:
            client.must_speak()
    finally:
        for client in clients:
            client.kill()
    return [line for client in dead + clients for line in client.lines if line != "read"]


async def look_at(store: SQLiteStore, acknowledged: list[str]) -> None:
    assert await store.check() == []
    texts: dict[str, list[str]] = {}
    for session in [info.id for info in await store.sessions(limit=1_000_000)]:
        bodies = [record.body for record in await store.records(session)]
        texts[session] = [body.text for body in bodies if isinstance(body, UserSaid)]
    pairs = {
        session: {" ".join(text.split()[:2]) for text in said} for session, said in texts.items()
    }
    shared = set(texts["shared"])
    queued = {item.key for item in await store.pending("inbox")}
    for line in acknowledged:
        session, number = line.split()
        name = session.rpartition("-")[0]
        assert f"{name} n{number}" in pairs[session], f"{line} was acknowledged and is gone"
        assert f"shared {name} n{number}" in shared
        assert f"{name}-{number}" in queued
    # All or nothing: what is there of one change is there of the others too.
    assert (
        sum(len(said) for session, said in texts.items() if session != "shared")
        == 2 * len(shared)
        == 2 * len(queued)
    )


async def everything_is_there(home: Path, context: MakeContext, acknowledged: list[str]) -> None:
    assert acknowledged
    store = SQLiteStore(context(home))
    await store.open()
    try:
        await look_at(store, acknowledged)
    finally:
        await store.close()


async def test_killed_processes_lose_nothing_they_acknowledged(
    tmp_path: Path, context: MakeContext
) -> None:
    acknowledged = await asyncio.to_thread(
        kill_at_random, tmp_path, writers=3, readers=1, kills=12, pause=0.02
    )
    await everything_is_there(tmp_path, context, acknowledged)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_many_kills(tmp_path: Path, context: MakeContext) -> None:
    kills = int(os.environ.get("HERMES_TEST_KILLS", "300"))
    acknowledged = await asyncio.to_thread(
        kill_at_random, tmp_path, writers=6, readers=4, kills=kills, pause=0.05
    )
    await everything_is_there(tmp_path, context, acknowledged)
    print(f"{kills} kills, {len(acknowledged)} commits acknowledged, all there")
