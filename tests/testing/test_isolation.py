"""What the pytest plugin promises: each promise is broken in an inner run, which must fail."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from hermes.testing import processes
from hermes.testing.inner import run_inner

CASES = """
import asyncio, os, socket, subprocess, sys
import pytest

def test_a_home_of_its_own(home):
    assert os.environ["HERMES_HOME"] == str(home)
    assert list(home.iterdir()) == [] and home.stat().st_mode & 0o777 == 0o700
    (home / "left").touch()

def test_another_home_of_its_own(home):
    assert list(home.iterdir()) == []

def test_no_keys():
    assert "OPENAI_API_KEY" not in os.environ and "HERMES_KILL_AT" not in os.environ
    assert "GH_TOKEN" not in os.environ and "OPENAI_BASE_URL" not in os.environ
    assert os.environ["KEYBOARD"] == "kept"

@pytest.mark.live
def test_live_keeps_keys():
    assert os.environ["OPENAI_API_KEY"]

def test_loopback_is_open():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(("localhost", server.getsockname()[1])):
            pass

def test_a_connection_out_fails_even_when_it_was_caught():
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=0.1)
    except OSError:
        pass

def test_a_look_up_fails():
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("api.openai.com", 443)

def test_udp_out_fails():
    with pytest.raises(OSError):
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))

def test_listening_to_everybody_fails():
    with pytest.raises(OSError):
        socket.create_server(("0.0.0.0", 0))

async def test_asyncio_out_fails():
    with pytest.raises(OSError):
        await asyncio.open_connection("192.0.2.1", 80)

def test_meaning_to_try_passes(off_loopback):
    with pytest.raises(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=0.1)
    assert off_loopback == ["connection to 192.0.2.1 port 80"]
    off_loopback.clear()

def test_a_reserved_name_passes():
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("endpoint.invalid", 443)

def test_a_child_left_behind_fails():
    subprocess.Popen(["sleep", "300"])

def test_an_orphan_left_behind_fails(tmp_path):
    subprocess.run(["sh", "-c", "sleep 300 >/dev/null 2>&1 & exit 0"], cwd=tmp_path)

def test_a_daemon_left_behind_fails(tmp_path):
    code = "import os, time\\nif os.fork(): os._exit(0)\\nos.setsid()\\nif os.fork(): os._exit(0)"
    code += "\\ntime.sleep(300)"
    env = {**os.environ, "ANY": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=env, cwd="/")

def test_a_child_that_ended_passes():
    subprocess.run(["true"])

def test_a_child_that_is_ending_passes():
    subprocess.Popen(["sleep", "0.05"])
"""


def test_each_broken_promise_fails_its_test_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "GH_TOKEN", "OPENAI_BASE_URL", "HERMES_KILL_AT", "KEYBOARD"):
        monkeypatch.setenv(name, "kept")

    outcomes = run_inner(tmp_path, textwrap.dedent(CASES))

    failed = {name for name, outcome in outcomes.items() if outcome != "passed"}
    assert len(outcomes) == CASES.count("def test_")
    assert failed == {name for name in outcomes if name.removesuffix("()").endswith("_fails")} | {
        "test_a_connection_out_fails_even_when_it_was_caught"
    }


def test_what_was_left_behind_is_killed(tmp_path: Path) -> None:
    marker = f"300.{os.getpid()}"
    run_inner(
        tmp_path,
        f"import subprocess\ndef test_leaves():\n    subprocess.Popen(['sleep', '{marker}'])\n",
    )

    running = [processes.command(p.pid) for p in processes.processes() if p.state != "Z"]
    assert f"sleep {marker}" not in [command.strip() for command in running]


def test_the_plugin_can_be_left_out(tmp_path: Path) -> None:
    outcomes = run_inner(
        tmp_path,
        "def test_no_fixture(request):\n    assert 'hermes' not in str(request.fixturenames)\n",
        "-p",
        "no:hermes",
    )

    assert outcomes == {"test_no_fixture": "passed"}
