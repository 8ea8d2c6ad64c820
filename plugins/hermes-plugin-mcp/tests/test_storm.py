"""AT-16: five servers that misbehave, reconnected again and again; and the owner killed at last.

``MCP_RECONNECTS`` says how often; the soak run does 200.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from hermes import HermesError

RAW = str(Path(__file__).parent / "programs" / "raw_server.py")
SOAK = int(os.environ.get("MCP_RECONNECTS", "200"))


class Refusing(BaseHTTPRequestHandler):
    """Refuses everybody, and counts them."""

    asked = 0

    def do_POST(self) -> None:
        type(self).asked += 1
        self.send_response(401)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


async def timed(awaitable: Awaitable[Any], seconds: float = 2.0) -> Any:
    """Give the result, if it came in *seconds*; five times that on a machine that does more."""
    began = time.monotonic()
    result = await awaitable
    assert time.monotonic() - began < 5 * seconds
    return result


async def churn(world: Any, toolset: Any, rounds: int, kill: Callable[[], Awaitable[Any]]) -> None:
    """Kill a server *rounds* times; each time it must come back, in another process."""
    before = (await world.run(toolset, "pid")).text
    for _ in range(rounds):
        await kill()
        await timed(world.run(toolset, "echo", text="anybody?"))
        await world.until(lambda: (c := toolset.server.connection) and not c.ended)
        now = (await timed(world.run(toolset, "pid"))).text
        assert now.isdigit()
        assert now != before
        before = now
        toolset.server.failures = 0  # so that the back-off of a real storm is not waited for


async def storm(world: Any, rounds: int) -> None:
    listener = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    Thread(target=listener.serve_forever, daemon=True).start()
    launcher = f'"{sys.executable}" "{RAW}" --children 1; exit $?'
    python = {"command": sys.executable}
    family = world.family(
        {
            "crash": {**python, "args": [RAW]},
            "hang": {**python, "args": [RAW, "--stubborn"], "timeout": 0.2},
            "stubborn": {**python, "args": [RAW, "--stubborn", "--children", "2"]},
            "npx": {"command": "sh", "args": ["-c", launcher]},
            "refused": {"url": f"http://127.0.0.1:{listener.server_port}/mcp"},
        }
    )

    async def hang() -> None:
        toolset = family.toolset("hang")
        await timed(world.run(toolset, "deaf"), 3.0)
        await timed(toolset.close(), 5.0)

    async def refused() -> None:
        for _ in range(rounds):
            with pytest.raises(HermesError, match="refused our credentials"):
                await timed(family.toolset("refused").tools())

    def die(name: str) -> Callable[[], Awaitable[Any]]:
        return lambda: timed(world.run(family.toolset(name), "die"))

    try:
        await asyncio.gather(
            churn(world, family.toolset("crash"), rounds, die("crash")),
            churn(world, family.toolset("hang"), rounds, hang),
            churn(world, family.toolset("stubborn"), rounds, die("stubborn")),
            churn(world, family.toolset("npx"), rounds, die("npx")),
            refused(),
        )
        assert world.children.started >= 4 * (rounds + 1)
        assert world.children.most <= 4
        assert Refusing.asked <= 3  # one connection: discover, initialize
        await timed(family.close(), 5.0)
        assert not world.children.marked
        before, began = time.process_time(), time.monotonic()
        await asyncio.sleep(1)
        assert (time.process_time() - before) / (time.monotonic() - began) < 0.01
    finally:
        listener.shutdown()
        listener.server_close()


async def test_a_storm_of_reconnections_leaves_one_tree_a_server(world: Any) -> None:
    await storm(world, 2)


def marked(owner: str) -> list[str]:
    """Find the live processes that an owner's servers started, by their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            mark = f"HERMES_CHILD={owner}:".encode()
            if mark in (folder / "environ").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
def test_what_a_killed_owner_left_is_gone_after_the_next_start(tmp_path: Path) -> None:
    program = str(Path(RAW).with_name("owner.py"))
    command = [sys.executable, program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as hermes:
        assert hermes.stdout is not None
        assert hermes.stdout.readline() == "ready\n"
        (record,) = (tmp_path / "run").glob("children-*.json")
        owner = json.loads(record.read_text())["owner"]
        assert len(marked(owner)) == 7  # one, three, and a shell with two
        hermes.kill()

    reaped = subprocess.run([*command, "--reap"], capture_output=True, text=True, check=True)

    assert "mcp:stubborn" in reaped.stdout
    assert not marked(owner)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_long_storm(world: Any) -> None:
    await storm(world, SOAK)
