"""Run a real server for tests: its own folder, any free port, stopped by its pid.

    @pytest.fixture(scope="session")
    def redis(tmp_path_factory, keep_child):
        port, folder = free_port(), tmp_path_factory.mktemp("redis")
        command = [need("redis-server", apt="redis-server"), "--port", str(port)]
        with serve("redis", command, folder=folder, ready=answers(port), kept=keep_child) as server:
            yield server

When a test that asked for it fails, its log is shown. Under xdist each
worker starts its own, unless the tests that use it share an ``xdist_group``.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from hermes.testing import processes


class Server(msgspec.Struct, frozen=True):
    """A server that answers."""

    name: str
    pid: int
    folder: Path
    """Its data, beneath the tests' tmp folder."""
    log_file: Path

    @property
    def log(self) -> str:
        """Everything it printed so far."""
        return self.log_file.read_text(errors="replace")


def free_port() -> int:
    """Give a loopback port that is free now; for servers that cannot pick one themselves."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def need(program: str, apt: str) -> str:
    """Give the path of *program*.

    Without it the test is skipped with the name of the Debian package, and fails where CI=true:
    there, what is not tested is not shown.
    """
    found = shutil.which(program)
    if found is None:
        said = f"{program} is missing: apt-get install {apt}"
        if os.environ.get("CI") == "true":
            pytest.fail(said, pytrace=False)
        pytest.skip(said)
    return found


@contextmanager
def serve(
    name: str,
    command: Sequence[str | Path],
    *,
    folder: Path,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
    kept: set[int] | None = None,
    seconds: float = 30.0,
) -> Iterator[Server]:
    """Start *command* in *folder*, wait until *ready* says so, and stop it in the end.

    *ready* is asked until it is true; an OSError of it counts as "not yet". *kept* is what
    the fixture `keep_child` gives: a server outlives the test that started it. Raises
    AssertionError with the log when the server does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log_file = folder / f"{name}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    kept = set() if kept is None else kept
    kept.add(process.pid)
    server = Server(name, process.pid, folder, log_file)
    try:
        _wait_ready(server, process, ready, seconds)
        yield server
    except BaseException:
        print(f"--- log of {name} ---\n{server.log[-4000:]}")
        raise
    finally:
        _stop(process)
        kept.discard(process.pid)


def _wait_ready(
    server: Server, process: subprocess.Popen[bytes], ready: Callable[[], bool], seconds: float
) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"{server.name} ended with {process.returncode}\n{server.log}")
        try:
            if ready():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"{server.name} did not answer within {seconds} s\n{server.log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and what it started: it leads a session of its own."""
    family = [process.pid, *(p.pid for p in processes.descendants(process.pid))]
    processes.kill([process.pid], signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        pass
    processes.kill(processes.wait_gone(family, seconds=1.0))
    process.wait(5)
    processes.wait_gone(family, seconds=5.0)
