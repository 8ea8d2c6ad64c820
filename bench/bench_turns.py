"""What the gateway's memory does over many turns: growth per turn by regression (pain point 13).

One gateway (``hermes gateway run``, SQLite journal, all plugins installed here) over its HTTP API
or over Telegram. Conversations of 40 turns, 50 at a time, one lot after another: each new lot is
made of conversations that are new, the old ones fall idle, as over months. Resident memory, open
files and threads are read every 250 turns; the line is fitted over what comes once it has run for
150 s, when caches are full: an idle transcript is kept for a minute. "24 h" stands for 20,000
turns, so the promised 1 MB an hour is 1.2 KB a turn.

    python bench/bench_turns.py [--turns 20000] [--warm 150] [--through api|telegram]

With ``--outputs 1000000`` a command gives so many bytes in every turn, over the HTTP API, and what
counts is what the process holds at the end and at most against the moment it began to serve:
500 conversations of 40 turns promise 150 MB, 20 files and 5 threads more (AT-13).

    python bench/bench_turns.py --outputs 1000000 [--turns 20000]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from bench_gateway import Connection, gateway, state
from bench_telegram import ANSWER, Person, configured, secrets
from measure import served

from hermes.testing import Exchange, OpenAIServer, TelegramServer
from hermes.testing.answers import Call, Say

CHATS, LENGTH = 50, 40
"""Conversations at a time, and turns of each."""
EVERY = 250
"""Turns between two readings."""
AIM = 24e6 / 20_000
"""Bytes a turn."""

Talk = Callable[[str], Awaitable[None]]
"""Has one conversation of `LENGTH` turns under a name of its own."""


class Reading(NamedTuple):
    """What the gateway held after so many turns."""

    turns: int
    memory: int
    files: int
    threads: int


class Line(NamedTuple):
    """A fitted line: its slope and how far off that may be (95 %)."""

    slope: float
    margin: float


def fit(points: list[tuple[float, float]]) -> Line:
    """Fit a line. The margin takes each reading for independent of the others."""
    xs, ys = zip(*points, strict=True)
    slope, start = statistics.linear_regression(xs, ys)
    errors = [y - (start + slope * x) for x, y in points]
    mean = statistics.fmean(xs)
    spread = math.sqrt(sum((x - mean) ** 2 for x in xs))
    noise = math.sqrt(sum(e * e for e in errors) / max(1, len(points) - 2))
    return Line(slope, 1.96 * noise / spread)


class Watch:
    """Counts turns and reads what the process holds, every so often."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.turns = 0
        self.readings: list[Reading] = []

    def turn(self) -> None:
        """One more turn is over."""
        self.turns += 1
        if self.turns % EVERY == 0:
            self.read()

    def read(self) -> None:
        """Note what the process holds now."""
        now = state(self._pid)
        files = len(list(Path(f"/proc/{self._pid}/fd").iterdir()))
        self.readings.append(Reading(self.turns, now.memory, files, now.threads))
        if self.turns and self.turns % 2000 == 0:
            print(f"  after {self.turns:6} turns: {now.memory / 1e6:6.1f} MB, {files} files,"
                  f" {now.threads} threads", flush=True)  # fmt: skip


async def lots(talk: Talk, wanted: Callable[[], bool]) -> None:
    """Have conversations, lot after lot, while they are *wanted*."""
    for lot in itertools.count():
        name = f"{time.time_ns()}-{lot}"
        await asyncio.gather(*(talk(f"{name}-{place}") for place in range(CHATS)))
        if not wanted():
            return


def report(watch: Watch, warm: int, seconds: float, cpu: float) -> None:
    steady = [each for each in watch.readings if each.turns > warm]
    line = fit([(each.turns, each.memory) for each in steady])
    first, last = steady[0], watch.readings[-1]
    print(f"turns after {warm:5} to warm up          {watch.turns - warm:9} in {seconds:.0f} s,"
          f" {cpu * 1000 / (watch.turns - warm):.1f} ms of CPU each")  # fmt: skip
    print(f"MB when warm, at end                 {first.memory / 1e6:9.1f}{last.memory / 1e6:9.1f}")
    print(f"bytes a turn (95 %)                  {line.slope:9.0f} +- {line.margin:.0f}"
          f"  (aim: at most {AIM:.0f})")  # fmt: skip
    files = fit([(each.turns, each.files) for each in steady])
    print(f"open files, threads at end           {last.files:9}{last.threads:9}")
    print(f"open files more in 20,000 turns      {files.slope * 20_000:9.2f}")


def api_talk(port: int, watch: Watch) -> Talk:
    async def talk(name: str) -> None:
        connection = Connection(port)
        for place in range(LENGTH):
            assert await connection.ask(name, f"Message {place}") == 200
            watch.turn()
        connection.close()

    return talk


async def over_api(options: argparse.Namespace, home: Path, url: str) -> None:
    async with gateway(home, url, {"api-server": {"enabled": True, "port": options.port}}) as pid:
        await Connection(options.port).served()
        watch = Watch(pid)
        await watched(options, pid, watch, api_talk(options.port, watch))


def flooding(size: int, missed: list[str]) -> Callable[[Exchange], Say | str]:
    """Give a model that has a command run in each turn, which gives *size* bytes, and answers. What
    came instead is *missed*.
    """
    command = f"seq -f 'line %014.0f' 1 {size // 20}"
    asks = Say(calls=(Call("terminal", json.dumps({"command": command})),))

    def answer(exchange: Exchange) -> Say | str:
        last = exchange.json["messages"][-1]
        if last["role"] != "tool":
            return asks
        if "left out" not in last["content"]:
            missed.append(last["content"][:300])
        return ANSWER

    return answer


async def with_outputs(options: argparse.Namespace, home: Path) -> None:
    config = {"api-server": {"enabled": True, "port": options.port}}
    missed: list[str] = []
    async with (
        OpenAIServer(always=flooding(options.outputs, missed), keep=1) as model,
        gateway(home, model.url, config) as pid,
    ):
        await Connection(options.port).served()
        watch = Watch(pid)
        watch.read()
        began = time.perf_counter()
        await lots(api_talk(options.port, watch), lambda: watch.turns < options.turns)
        await asyncio.sleep(options.warm)
        watch.read()
        start, end = watch.readings[0], watch.readings[-1]
        most = Reading(*map(max, zip(*watch.readings, strict=True)))
        print(f"turns, each with {options.outputs / 1e6:g} MB of output   {watch.turns:9}"
              f" in {time.perf_counter() - began:.0f} s")  # fmt: skip
        for name, at in (("when it began to serve", start), ("most", most), ("at the end", end)):
            print(
                f"  {name:24} {at.memory / 1e6:8.1f} MB {at.files:4} files {at.threads:4} threads"
            )
        print(f"  more at the end          {(end.memory - start.memory) / 1e6:8.1f} MB"
              f" {end.files - start.files:4} files {end.threads - start.threads:4} threads"
              "  (aim: at most 150, 20, 5)")  # fmt: skip
        print(f"  turns whose command was not run {len(missed)}: {set(missed) or 'none'}")


async def over_telegram(options: argparse.Namespace, home: Path, url: str) -> None:
    async with (
        TelegramServer() as telegram,
        gateway(home, url, configured(telegram), **secrets(telegram)) as pid,
    ):
        await telegram.called("getUpdates", 1, 60)
        watch = Watch(pid)

        async def talk(name: str) -> None:
            person = Person(telegram, name)
            for place in range(LENGTH):
                await person.ask(f"Message {place}")
                watch.turn()

        await watched(options, pid, watch, talk)


async def watched(options: argparse.Namespace, pid: int, watch: Watch, talk: Talk) -> None:
    began = time.perf_counter()
    await lots(talk, lambda: time.perf_counter() - began < options.warm)
    warm, before, began = watch.turns, state(pid), time.perf_counter()
    await lots(talk, lambda: watch.turns - warm < options.turns)
    report(watch, warm, time.perf_counter() - began, state(pid).cpu - before.cpu)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=4000)
    parser.add_argument("--warm", type=float, default=150)
    parser.add_argument("--through", choices=("api", "telegram"), default="api")
    parser.add_argument("--outputs", type=int, default=0, metavar="BYTES")
    parser.add_argument("--port", type=int, default=18643)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hermes-bench-") as name:
        folder = Path(name)
        (folder / "home").mkdir()
        if options.outputs:
            asyncio.run(with_outputs(options, folder / "home"))
            return
        answer = {"text": ANSWER, "delay": 0.02}
        (folder / "script").write_text(json.dumps(answer) + "\n")
        server, url = served(folder, "--script", folder / "script", "--loop")
        try:
            through = over_api if options.through == "api" else over_telegram
            asyncio.run(through(options, folder / "home", url))
        finally:
            server.kill()
            server.wait()
            if (folder / "gateway.log").stat().st_size:
                print((folder / "gateway.log").read_text()[-2000:], file=sys.stderr)


if __name__ == "__main__":
    main()
