"""In the real gateway, a process of its own with its journal on disk."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from hermes.testing import OpenAIServer
from hermes.testing.answers import Say
from hermes.testing.servers import free_port

KEY = "sk-test-0123456789"
HERMES = [sys.executable, "-m", "hermes"]


@asynccontextmanager
async def gateway(home: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Run the gateway; kill it at the end if it still runs."""
    process = subprocess.Popen(
        [*HERMES, "gateway", "run"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        async with asyncio.timeout(30):
            while not (home / "run" / "gateway.json").exists() and process.poll() is None:
                await asyncio.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()


def write(home: Path, url: str, key: str = KEY, **settings: Any) -> None:
    section = {"enabled": True, **settings}
    config = {"model": "openai:test", "openai": {"base_url": url}, "api-server": section}
    (home / "config.yaml").write_text(json.dumps(config))
    keyed = f"API_SERVER_KEY={key}\n" if key else ""
    (home / ".env").write_text(f"{keyed}OPENAI_API_KEY=none\n")


async def answered(client: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if (await client.get("/health")).status_code == 200:
                    return
            except httpx2.TransportError:
                await asyncio.sleep(0.05)


async def test_a_run_that_was_accepted_outlives_a_kill(home: Path) -> None:
    port = free_port()
    headers = {"authorization": f"Bearer {KEY}"}
    http = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers)
    async with OpenAIServer(Say("never", hold=asyncio.Event()), "Done.") as model, http:
        write(home, model.url, port=port)
        async with gateway(home) as process:
            await answered(http)
            started = await http.post("/v1/runs", json={"input": "Go", "session_id": "s"})
            assert started.status_code == 202
            await model.asked(1, seconds=30)
            process.send_signal(signal.SIGKILL)
            process.wait()
        (home / "run" / "gateway.json").unlink()
        run = started.json()["run_id"]
        async with gateway(home) as process:
            await answered(http)
            events = await http.get(f"/v1/runs/{run}/events", timeout=30)
            assert '"event":"run.completed","output":"Done."' in events.text
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                while process.poll() is None:
                    await asyncio.sleep(0.05)
            assert process.returncode == 0
        assert len(model.requests) == 2


async def test_off_loopback_without_a_key_the_gateway_says_what_is_missing(home: Path) -> None:
    port = free_port()
    write(home, "http://127.0.0.1:9/v1", key="", host="0.0.0.0", port=port)
    async with gateway(home) as process:
        status = subprocess.run(
            [*HERMES, "gateway", "status"], capture_output=True, text=True, check=False
        )
        assert "service api-server   not configured  api-server.host 0.0.0.0 can" in status.stdout
        listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        assert f":{port:04X} " not in listening
        os.kill(process.pid, signal.SIGTERM)
        said = process.communicate(timeout=30)[1].decode()
    (line,) = [line for line in said.splitlines() if "api-server" in line]
    assert "needs a key: put API_SERVER_KEY=… into .env, or set host: 127.0.0.1" in line
