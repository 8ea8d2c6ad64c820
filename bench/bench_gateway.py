"""One gateway under load through its HTTP API: a model that takes 200 ms, everything else ours.

Three processes: the gateway (``hermes gateway run``, SQLite journal, all plugins installed here),
the stand-in model, and this one, which sends the messages over raw connections. Printed: how soon
it serves, a closed loop (each session sends its next message when it has its answer), an open loop
(messages come at a fixed rate whatever happens), what an idle session costs. CPU is the gateway's
own, user and system, from /proc.

    python bench/bench_gateway.py [--sessions 200] [--messages 5] [--rate 40] [--seconds 15]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from measure import served

DELAY = 0.2
"""Seconds that the model takes."""
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
KEY = "sk-bench"


class State(NamedTuple):
    """What a process uses now."""

    cpu: float
    """Seconds."""
    memory: int
    """Resident bytes."""
    threads: int


def state(pid: int) -> State:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return State(
        (int(fields[11]) + int(fields[12])) / TICK, int(fields[21]) * PAGE, int(fields[17])
    )


class Connection:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, session: str, text: str) -> int:
        """Send a message; give the status."""
        message = {"role": "user", "content": text}
        body = json.dumps({"model": "test", "messages": [message]}).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            f"authorization: Bearer {KEY}\r\nx-hermes-session-id: {session}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return await self._send(head.encode() + body)

    async def health(self) -> int:
        return await self._send(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")

    async def served(self, seconds: float = 60.0) -> None:
        """Wait until the API answers. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    if await self.health() == 200:
                        return
                await asyncio.sleep(0.005)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()

    async def _send(self, request: bytes) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        return int(head.split(b" ", 2)[1])


class Load(NamedTuple):
    """What a loop saw."""

    statuses: list[int]
    seconds: float
    latencies: list[float]


async def closed_loop(port: int, sessions: int, messages: int, name: str = "c") -> Load:
    statuses, latencies = [], []

    async def one(number: int) -> None:
        connection = Connection(port)
        for place in range(messages):
            began = time.perf_counter()
            statuses.append(await connection.ask(f"{name}{number}", f"Message {place}"))
            latencies.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(sessions)))
    return Load(statuses, time.perf_counter() - began, latencies)


async def open_loop(port: int, sessions: int, rate: float, seconds: float) -> Load:
    connections = [Connection(port) for _ in range(sessions)]
    statuses, latencies = [], []

    async def one(number: int, due: float) -> None:
        place = number % sessions
        statuses.append(await connections[place].ask(f"o{place}", f"Message {number}"))
        latencies.append(time.perf_counter() - due)  # late is late, whoever's fault

    began, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.ensure_future(one(number, due)))
    await asyncio.gather(*tasks)
    return Load(statuses, time.perf_counter() - began, latencies)


def share(values: list[float], part: float) -> float:
    """The value that *part* of all are at or below."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def report(what: str, load: Load, before: State, after: State) -> None:
    print(f"{load.statuses.count(200)} of {len(load.statuses)} answered")
    report_load(what, load.latencies, load.seconds, before, after)


def report_load(
    what: str, latencies: list[float], seconds: float, before: State, after: State
) -> None:
    """Say what a load cost the gateway, from its state *before* and *after*."""
    count = len(latencies)
    added = [(latency - DELAY) * 1000 for latency in latencies]
    print(f"{what}: {count} in {seconds:.1f} s")
    print(f"  messages a second                 {count / seconds:9.1f}")
    print(f"  ms of CPU a message               {(after.cpu - before.cpu) * 1000 / count:9.2f}")
    print(f"  added latency ms: median, p95     {statistics.median(added):9.1f}"
          f"{share(added, 0.95):9.1f}")  # fmt: skip
    print(f"  threads before, after             {before.threads:9}{after.threads:9}")


@asynccontextmanager
async def gateway(
    home: Path, model: str, config: dict[str, Any], **secrets: str
) -> AsyncIterator[int]:
    """Run ``hermes gateway run`` over *home* with the model at *model*; give its process id."""
    config = {"model": "openai:test", "openai": {"base_url": model}, **config}
    (home / "config.yaml").write_text(json.dumps(config))
    secrets = {"OPENAI_API_KEY": "none", "API_SERVER_KEY": KEY, **secrets}
    (home / ".env").write_text("".join(f"{name}={value}\n" for name, value in secrets.items()))
    environment = {
        **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        "HERMES_HOME": str(home),
        "PYTHONPYCACHEPREFIX": str(home.parent / "compiled"),  # as an installer leaves it
    }
    with (home.parent / "gateway.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "hermes", "gateway", "run"],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


async def measured(options: argparse.Namespace, home: Path, url: str) -> None:
    config = {"api-server": {"enabled": True, "port": options.port}}
    for life in ("first start", "second start"):
        began = time.perf_counter()
        async with gateway(home, url, config) as pid:
            await Connection(options.port).served()
            print(f"serving after s, {life:17}     {time.perf_counter() - began:9.2f}  (aim 2)")
            if life == "second start":
                await loads(options, pid, urlsplit(url).port or 0)


async def loads(options: argparse.Namespace, pid: int, model: int) -> None:
    port = options.port
    began = time.perf_counter()
    await Connection(port).ask("first", "Hello")
    print(f"first message, s                      {time.perf_counter() - began:9.2f}")
    await closed_loop(port, 20, 2, "warm")
    for _ in range(options.rounds):
        alone = await closed_loop(model, options.sessions, options.messages)
        per_second = len(alone.statuses) / alone.seconds
        print(f"the same straight to the stand-in, a second  {per_second:6.1f}")
        before = state(pid)
        load = await closed_loop(port, options.sessions, options.messages, f"c{time.time()}-")
        report(f"closed loop, {options.sessions} sessions x {options.messages}",
               load, before, state(pid))  # fmt: skip
    before = state(pid)
    load = await open_loop(port, 500, options.rate, options.seconds)
    report(f"open loop, {options.rate:g} a second over 500 sessions", load, before, state(pid))
    before = state(pid)
    await closed_loop(port, 1000, 1, "idle")
    await asyncio.sleep(2)
    after = state(pid)
    memory = (after.memory - before.memory) / 1000
    print(f"KB of memory for each of 1,000 idle sessions {memory / 1000:6.1f}  (aim 100)")
    await asyncio.sleep(10)
    idle = (state(pid).cpu - after.cpu) / 10 * 100
    print(f"CPU of 1,000 idle sessions, % of a core      {idle:6.2f}  (aim 0.5)")
    print(
        f"resident MB, threads                         {after.memory / 1e6:6.1f}{after.threads:6}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--messages", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=40)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--port", type=int, default=18642)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hermes-bench-") as name:
        folder = Path(name)
        (folder / "home").mkdir()
        answer = {"text": "This is an answer of a few words.", "delay": DELAY}
        (folder / "script").write_text(json.dumps(answer) + "\n")
        server, url = served(folder, "--script", folder / "script", "--loop")
        try:
            asyncio.run(measured(options, folder / "home", url))
        finally:
            server.kill()
            server.wait()
            if (folder / "gateway.log").stat().st_size:
                print((folder / "gateway.log").read_text()[-2000:], file=sys.stderr)


if __name__ == "__main__":
    main()
