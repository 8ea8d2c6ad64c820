"""Nothing outlives its use, however a session ends, unless it was to be kept (AT-17)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hermes.events import ToolStarted
from hermes.session import Authority, SessionKey
from hermes.testing import Call, Say, apptainer, processes
from hermes.testing.dockerd import Dockerd, run_dockerd
from hermes.testing.servers import need
from hermes.testing.sshd import SSHServer, sshd

GONE = 30.0
"""Seconds within which a tree must be gone (or at the next start)."""
COUNT = int(os.environ.get("HERMES_ENDINGS", "2"))
"""Background commands in each ending; 100 is what AT-17 asks for."""
MANY = {"max_processes": COUNT + 1}
ENDINGS = ("normal", "timeout", "stop", "reset", "terminate", "kill")
OWNER = Authority("cli", role="owner", yolo=True)


def cases(*endings: str) -> list[Any]:
    """Each ending on each backend; by default all on `local`, and in a sandbox the hardest."""
    often = ("stop", "kill")
    return [
        *(pytest.param("local", ending) for ending in endings),
        *(
            pytest.param("sandbox", ending, marks=() if ending in often else pytest.mark.soak)
            for ending in endings
        ),
    ]


TREE = """\
(setsid bash -c 'trap "" TERM; exec -a $0 sleep 600' $1 &)
exec -a $1 sleep 601
"""
"""A tool with a double-forked child in a session of its own that is deaf to SIGTERM."""


@pytest.fixture(autouse=True)
def script(place: Path) -> None:
    (place / "tree.sh").write_text(TREE)


def tree(mark: str) -> str:
    return f"bash tree.sh {mark}"


def left(mark: str) -> list[int]:
    """Find what TREE started."""
    return [
        process.pid
        for process in processes.processes()
        if processes.running(process.pid) and processes.command(process.pid).startswith(mark)
    ]


async def count(mark: str, wanted: int, seconds: float = GONE) -> None:
    """Wait until as many of TREE's processes are there, or say how many are."""
    until = time.monotonic() + seconds
    while (there := len(await asyncio.to_thread(left, mark))) != wanted:
        assert time.monotonic() < until, f"{there} processes, not {wanted}"
        await asyncio.sleep(0.05)


def started(mark: str, count: int, **more: Any) -> list[Any]:
    """The model starts *count* trees in the background, and then waits in a command."""
    arguments = json.dumps({"command": tree(mark), "background": True, **more})
    return [Say(calls=tuple(Call("terminal", arguments) for _ in range(count)))]


def slow(mark: str, **more: Any) -> Any:
    return Say(calls=(Call("terminal", json.dumps({"command": tree(mark), **more})),))


@pytest.mark.parametrize(("backend", "ending"), cases(*ENDINGS[:4]))
async def test_within_a_running_hermes(system: Any, backend: str, ending: str) -> None:
    if backend == "sandbox":
        need("bwrap", apt="bubblewrap")
    system.configure(terminal={"backend": backend}, shell=MANY)
    mark = f"end-{os.getpid()}-{backend}-{ending}"
    key = SessionKey("cli", "here")
    system.model.will(*started(mark, COUNT))
    foreground = ending in ("timeout", "stop")
    if foreground:
        system.model.will(slow(mark, timeout=1 if ending == "timeout" else 600))
    system.model.will(Say("done"))
    async with system.runtime() as runtime:
        conversation = runtime.session(key, directory=str(system.place))
        seen = 0
        async for event in conversation.send("go", authority=OWNER):
            if not isinstance(event, ToolStarted):
                continue
            seen += 1
            if ending == "stop" and seen == COUNT + 1:
                await count(mark, 2 * COUNT + 2)
                await conversation.stop()
        if foreground:  # the command's own tree is gone; the background goes on
            await count(mark, 2 * COUNT)
        await count(mark, 2 * COUNT, 60)
        await conversation.new()  # /new and /reset
        await count(mark, 0)
    assert not left(mark)


HERMES = """
import asyncio, sys
from pathlib import Path
from hermes.plugins import Host
from hermes.runtime import Runtime
from hermes.session import Authority, SessionKey

async def main():
    async with Runtime.open(surface="cli", host=Host.open(Path(sys.argv[1]))) as runtime:
        conversation = runtime.session(SessionKey("cli", "here"), directory=sys.argv[2])
        async for _ in conversation.send("go", authority=Authority("cli", role="owner", yolo=True)):
            pass
        print("begun", flush=True)
        await asyncio.sleep(600)

import signal
def stop(*_):
    raise SystemExit(143)
signal.signal(signal.SIGTERM, stop)
asyncio.run(main())
"""


@contextlib.contextmanager
def hermes(system: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", HERMES, str(system.home), str(system.place)],
        env=system.environment,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def begun(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == b"begun\n"


@pytest.mark.parametrize(("backend", "ending"), cases(*ENDINGS[4:]))
async def test_when_hermes_itself_ends(system: Any, backend: str, ending: str) -> None:
    if backend == "sandbox":
        need("bwrap", apt="bubblewrap")
    system.configure(terminal={"backend": backend}, shell=MANY)
    mark = f"end-{os.getpid()}-{backend}-{ending}"
    system.model.will(*started(mark, COUNT), Say("done"))
    with hermes(system) as process:
        await begun(process)
        await count(mark, 2 * COUNT, 60)
        process.send_signal(signal.SIGTERM if ending == "terminate" else signal.SIGKILL)
        await asyncio.to_thread(process.wait)
    if ending == "terminate" or backend == "sandbox":
        await count(mark, 0)
    else:
        async with system.runtime():  # the next start
            await count(mark, 0)


async def test_what_is_kept_is_listed_with_age_and_owner_and_ended_by_a_person(
    system: Any, keep_child: set[int]
) -> None:
    mark = f"kept-{os.getpid()}"
    system.model.will(*started(mark, 1, keep=True), Say("done"))
    with hermes(system) as process:
        await begun(process)
        await count(mark, 2)
        process.kill()
        await asyncio.to_thread(process.wait)
    listed = (await system.run("ps")).out
    (line,) = [line for line in listed.splitlines() if mark in line]
    id, age, unit, owner, *_ = line.split()
    assert int(age) >= 0
    assert unit in ("s", "min")
    assert len(owner) == 36  # the conversation
    assert "kept" in line
    assert len(left(mark)) == 2
    ended = await system.run("ps", "end", id)
    assert ended.out.startswith("Ended: command: ")
    await count(mark, 0)
    assert mark not in (await system.run("ps")).out
    assert not list(Path(system.home, "run").glob("children-*.json"))


# -- on other machines, and in containers ---------------------------------------------------------

WRITE = json.dumps({"command": f"printf %s {shlex.quote(TREE)} > tree.sh"})


@pytest.fixture(scope="module")
def dockerd(tmp_path_factory: Any, keep_child: Any) -> Iterator[Dockerd]:
    with run_dockerd(tmp_path_factory.mktemp("docker"), keep_child) as docker:
        docker.image("hermes-test")
        yield docker


@pytest.fixture(scope="module")
def server(tmp_path_factory: Any, keep_child: Any) -> Iterator[SSHServer]:
    with sshd(tmp_path_factory.mktemp("sshd"), kept=keep_child, more="MaxSessions 300") as running:
        yield running


@pytest.fixture(params=["docker", "ssh", "singularity"])
def elsewhere(request: Any, system: Any, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Configure a backend; give what shows that it holds nothing any more."""
    backend = request.param
    if backend == "docker":
        docker: Dockerd = request.getfixturevalue("dockerd")
        keys = {"image": "hermes-test", "network": False, "host": docker.url}
        system.configure(
            terminal={"backend": "docker", "container_processes": 4 * COUNT + 100},
            docker=keys,
            shell=MANY,
        )

        def docker_is_empty(session: str) -> None:
            assert docker.cli("ps", "-q").split() == []  # stopped, and there

        yield docker_is_empty
    elif backend == "ssh":
        machine: SSHServer = request.getfixturevalue("server")
        keys = {
            "host": "127.0.0.1",
            "port": machine.port,
            "user": machine.user,
            "key": str(machine.key),
            "known_hosts": str(machine.known_hosts),
            "config": "",
        }
        system.configure(terminal={"backend": "ssh"}, ssh=keys, shell=MANY)
        folder = Path(f"/tmp/hermes-{os.geteuid()}")  # of every test of ssh on this machine

        def nothing_is_left_there(session: str) -> None:
            assert not list(folder.glob(f"{session}-*"))

        yield nothing_is_left_there
    else:
        with apptainer.installed(tmp_path / "bin") as program:
            (tmp_path / "image.sif").touch()
            keys = {"program": str(program.program), "image": "docker://hermes/test"}
            system.configure(terminal={"backend": "singularity"}, singularity=keys, shell=MANY)
            yield lambda session: None


@pytest.mark.xdist_group("dockerd")
@pytest.mark.parametrize("ending", ["kill", "kill in a command", "terminate"])
async def test_nothing_is_left_elsewhere(
    system: Any, elsewhere: Callable[[str], None], ending: str, keep_child: set[int]
) -> None:
    mark = f"far-{os.getpid()}-{ending.replace(' ', '-')}-{time.monotonic_ns()}"
    system.model.will(Say(calls=(Call("terminal", WRITE),)), *started(mark, COUNT))
    wanted = 2 * COUNT
    if ending == "kill in a command":
        system.model.will(slow(mark))
        wanted += 2
    system.model.will(Say("done"))
    with hermes(system) as process:
        await count(mark, wanted, 60)
        process.send_signal(signal.SIGTERM if ending == "terminate" else signal.SIGKILL)
        await asyncio.to_thread(process.wait)
    async with system.runtime() as runtime:  # the next start
        await count(mark, 0)
        async with asyncio.timeout(GONE):
            while runtime.children.everything():
                await asyncio.sleep(0.05)
        (session,) = await runtime.store.sessions()
    elsewhere(session.id)
