"""``hermes gateway`` as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class Gateway:
    """The command, over one home."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hermes", "gateway", *arguments],
            env={**os.environ, "HERMES_HOME": str(self.home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("status", "--json").stdout)
        return found


@pytest.fixture
def gateway(home: Path) -> Iterator[Gateway]:
    made = Gateway(home)
    yield made
    made("stop")


def test_it_starts_says_how_it_is_and_stops(gateway: Gateway) -> None:
    assert gateway.status() == {"running": False}
    assert "runs (process" in gateway("start").stdout
    first = gateway.status()
    assert first["running"]
    second = gateway("run")
    assert second.returncode == 0
    assert "a gateway runs already" in second.stdout
    assert "runs already" in gateway("start").stdout
    assert gateway.status()["pid"] == first["pid"]
    assert "unsent replies 0" in gateway("status", "--deep").stdout
    gateway("restart")
    assert gateway.status()["pid"] != first["pid"]
    assert "has stopped" in gateway("stop").stdout
    assert gateway.status() == {"running": False}
    assert "does not run" in gateway("stop").stdout


def test_after_a_kill_it_is_known_to_be_gone_and_starts_at_once(gateway: Gateway) -> None:
    gateway("start")
    os.kill(gateway.status()["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while gateway.status()["running"]:
        assert time.monotonic() < deadline
    assert "runs (process" in gateway("start").stdout


def test_asked_for_a_restart_it_ends_with_the_status_that_says_so(home: Path) -> None:
    gateway = Gateway(home)
    with subprocess.Popen(
        [sys.executable, "-m", "hermes", "gateway", "run"],
        env={**os.environ, "HERMES_HOME": str(home)},
        stdin=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 20
        while not gateway.status()["running"]:
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGUSR1)
        assert process.wait(30) == 75


def test_a_configuration_that_cannot_start_says_so_and_is_not_to_be_tried_again(
    home: Path,
) -> None:
    (home / "config.yaml").write_text("store: nowhere\n")
    done = Gateway(home)("run")
    assert done.returncode == 78
    assert "nowhere" in done.stderr
    assert len(done.stderr.splitlines()) == 1
