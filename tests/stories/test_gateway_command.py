"""``hermes gateway`` as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


class Elsewhere(BaseHTTPRequestHandler):
    """A web server that is no Bot API."""

    def do_POST(self) -> None:
        self.send_error(404)

    def log_message(self, *given: object) -> None: ...


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """Give the port of a server that is somebody else's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


TOKEN = "TELEGRAM_BOT_TOKEN=1:a\n"
TELEGRAM = "telegram:\n  enabled: true\n  poll_seconds: 1\n"
API = "api-server:\n  enabled: true\n"


@pytest.mark.parametrize(
    ("config", "env", "says"),
    [
        ("", "", "Nothing is enabled, so nobody is served."),
        (TELEGRAM, "", "no bot token: put TELEGRAM_BOT_TOKEN=… (from @BotFather) into"),
        (f"{TELEGRAM}  base_url: api.telegram.org\n", TOKEN, "base_url 'api.telegram.org'"),
        (f"{TELEGRAM}  base_url: http://127.0.0.1:PORT\n", TOKEN, "check TELEGRAM_BOT_TOKEN"),
        (f"{TELEGRAM}  tokn: x\n", TOKEN, "config.yaml:5: telegram.tokn: unknown key"),
        (f"{API}  host: 0.0.0.0\n", "", "api-server.host 0.0.0.0 can be reached by others"),
        (f"{API}  port: PORT\n", "", "cannot listen on 127.0.0.1:PORT: Address already in use"),
        (f"{API}  host: no.such.invalid\n", "API_SERVER_KEY=k\n", "cannot listen on no.such."),
        (f"{API}  port: 99999\n", "", "config.yaml:4: api-server.port: "),
        ("gateway:\n  busy: maybe\n", "", 'config.yaml:3: gateway.busy: expected interrupt or'),
        ("webhook:\n  enabled: true\n  routes: {a: {prompt: x}}\n", "", "webhook.routes.a has no"),
    ],
)  # fmt: skip
def test_what_is_configured_wrong_is_one_clear_line(
    home: Path, elsewhere: int, config: str, env: str, says: str
) -> None:
    config, says = (text.replace("PORT", str(elsewhere)) for text in (config, says))
    (home / "config.yaml").write_text(f"model: openai:test\n{config}")
    (home / ".env").write_text(env)
    with subprocess.Popen(
        [sys.executable, "-m", "hermes", "gateway", "run"],
        env={**os.environ, "HERMES_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said = []
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if says in line:
                break
        process.send_signal(signal.SIGTERM)
        said += process.stdout.readlines()
    whole = "".join(said)
    assert says in whole
    assert "Traceback" not in whole
    assert all(len(line) < 400 for line in said)
    told = [line for line in said if says in line]
    assert len(told) == 1 or "cannot listen" in says  # that one is tried again
    assert len(said) <= 3, whole
