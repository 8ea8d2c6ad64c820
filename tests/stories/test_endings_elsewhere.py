"""What a Hermes that was killed left in containers and on other machines is gone at the next start:
the real program, SIGKILL, a real dockerd and sshd, and Apptainer's stand-in over bubblewrap.
"""

from __future__ import annotations

import asyncio
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

from hermes.testing import Call, Say, apptainer, processes
from hermes.testing.dockerd import Dockerd, run_dockerd
from hermes.testing.sshd import SSHServer, sshd

COUNT = int(os.environ.get("HERMES_ENDINGS", "2"))
"""Trees in each ending; the full count is 100."""
GONE = 30.0

HERMES = """
import asyncio, signal, sys
from pathlib import Path
from hermes.plugins import Host
from hermes.runtime import Runtime
from hermes.session import Authority, SessionKey

async def main():
    async with Runtime.open(surface="cli", host=Host.open(Path(sys.argv[1]))) as runtime:
        conversation = runtime.session(SessionKey("cli", "here"), directory=sys.argv[2])
        owner = Authority("cli", role="owner", yolo=True)
        async for _ in conversation.send("go", authority=owner):
            pass
        await asyncio.sleep(600)

def stop(*_):
    raise SystemExit(143)
signal.signal(signal.SIGTERM, stop)
asyncio.run(main())
"""


TREE = """\
(setsid bash -c 'trap "" TERM; exec -a $0 sleep 600' $1 &)
exec -a $1 sleep 601
"""
"""Two processes: one is deaf to SIGTERM, in a session of its own, and has nobody above it."""
WRITE = json.dumps({"command": f"printf %s {shlex.quote(TREE)} > tree.sh"})


def tree(mark: str) -> str:
    return f"bash tree.sh {mark}"


def left(mark: str) -> list[int]:
    """Find them: what runs in a container of this machine is among its processes."""
    return [
        each.pid
        for each in processes.processes()
        if processes.running(each.pid) and processes.command(each.pid).startswith(mark)
    ]


async def count(mark: str, wanted: int, seconds: float = GONE) -> None:
    until = time.monotonic() + seconds
    while (there := len(await asyncio.to_thread(left, mark))) != wanted:
        assert time.monotonic() < until, f"{there} processes, not {wanted}"
        await asyncio.sleep(0.05)


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
def elsewhere(request: Any, system: Any, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Configure a backend; give what shows that it holds nothing any more."""
    backend, shell = request.param, {"max_processes": COUNT + 1}
    if backend == "docker":
        docker: Dockerd = request.getfixturevalue("dockerd")
        keys = {"image": "hermes-test", "network": False, "host": docker.url}
        system.configure(
            terminal={"backend": "docker", "container_processes": 4 * COUNT + 100},
            docker=keys,
            shell=shell,
        )

        def docker_is_empty() -> None:
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
        system.configure(terminal={"backend": "ssh"}, ssh=keys, shell=shell)
        folder = Path(f"/tmp/hermes-{os.geteuid()}")
        before = set(folder.iterdir()) if folder.exists() else set()

        def nothing_is_left_there() -> None:
            assert not set(folder.iterdir()) - before if folder.exists() else True

        yield nothing_is_left_there
    else:
        with apptainer.installed(tmp_path / "bin") as program:
            (tmp_path / "image.sif").touch()
            keys = {"program": str(program.program), "image": "docker://hermes/test"}
            system.configure(terminal={"backend": "singularity"}, singularity=keys, shell=shell)
            yield lambda: None


@pytest.mark.xdist_group("dockerd")
@pytest.mark.parametrize("ending", ["kill", "kill in a command", "terminate"])
async def test_nothing_is_left_elsewhere(
    system: Any, elsewhere: Callable[[], None], ending: str, keep_child: set[int]
) -> None:
    mark = f"far-{os.getpid()}-{ending.replace(' ', '-')}-{time.monotonic_ns()}"
    arguments = json.dumps({"command": tree(mark), "background": True})
    system.model.will(Say(calls=(Call("terminal", WRITE),)))
    system.model.will(Say(calls=tuple(Call("terminal", arguments) for _ in range(COUNT))))
    wanted = 2 * COUNT
    if ending == "kill in a command":
        system.model.will(Say(calls=(Call("terminal", json.dumps({"command": tree(mark)})),)))
        wanted += 2
    system.model.will(Say("done"))
    hermes = subprocess.Popen(
        [sys.executable, "-c", HERMES, str(system.home), str(system.place)],
        env=system.environment,
        stdout=subprocess.DEVNULL,
    )
    await count(mark, wanted, 60)
    hermes.send_signal(signal.SIGTERM if ending == "terminate" else signal.SIGKILL)
    await asyncio.to_thread(hermes.wait)
    async with system.runtime() as runtime:  # the next start
        await count(mark, 0)
        async with asyncio.timeout(GONE):
            while runtime.children.everything():
                await asyncio.sleep(0.05)
    elsewhere()
