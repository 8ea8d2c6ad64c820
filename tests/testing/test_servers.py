"""A server for tests comes up, answers, is stopped by its pid, and is explained when it fails."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from hermes.testing import processes
from hermes.testing.inner import run_inner
from hermes.testing.servers import free_port, need, serve


def answers(port: int) -> bool:
    socket.create_connection(("127.0.0.1", port), timeout=1).close()
    return True


def test_it_is_ready_when_it_answers_and_gone_with_its_children_afterwards(tmp_path: Path) -> None:
    port = free_port()
    code = (
        "import subprocess, sys; subprocess.Popen(['sleep', '300']);"
        "import http.server; http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])),"
        " http.server.BaseHTTPRequestHandler).serve_forever()"
    )

    with serve(
        "web",
        [sys.executable, "-c", code, str(port)],
        folder=tmp_path / "web",
        ready=lambda: answers(port),
    ) as server:
        family = processes.descendants(server.pid)
        assert processes.running(server.pid)
        assert len(family) == 1

    assert not [pid for pid in (server.pid, family[0].pid) if processes.running(pid)]


def test_one_that_ends_at_once_is_explained_by_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]

    with (
        pytest.raises(AssertionError, match="broken ended with 1\nno such option"),
        serve("broken", command, folder=tmp_path / "s", ready=lambda: False),
    ):
        pass


def test_a_missing_program_skips_by_its_package_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install some-package"):
        need("no-such-program", apt="some-package")

    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install some-package"):
        need("no-such-program", apt="some-package")


def test_it_outlives_the_test_that_started_it(tmp_path: Path) -> None:
    source = """
import sys, pytest
from hermes.testing.servers import serve

@pytest.fixture(scope="session")
def server(tmp_path_factory, keep_child):
    with serve("s", ["sh", "-c", "echo up; sleep 300 & sleep 300"],
               folder=tmp_path_factory.mktemp("s"), ready=lambda: True, kept=keep_child) as server:
        yield server

def test_first(request):
    request.getfixturevalue("server")

def test_second(server):
    pass
"""
    outcomes = run_inner(tmp_path, source)

    assert outcomes == {"test_first": "passed", "test_second": "passed"}
