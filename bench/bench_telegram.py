"""One gateway under load through Telegram: the real client against the kit's Bot API on loopback.

Three processes: the gateway (``hermes gateway run``, SQLite journal, all plugins installed here),
the stand-in model, which takes 200 ms and streams its answer word by word, and this one, which
plays Telegram and the people. Printed: the gateway's CPU a message (user and system, from /proc),
the calls of the Bot API that a message costs, by method, and what one such call costs: the client
alone, as a bare script that sends messages through the same library, in the same session.

    python bench/bench_telegram.py [--chats 100] [--messages 5] [--rounds 3] [--alone 300]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench_gateway import DELAY, gateway, report_load, state
from measure import served

from hermes.testing import TelegramServer

ANSWER = "This is an answer of a few words."
ALONE = """
import asyncio, sys, time
from telegram import Bot

async def main(url, token, chat, count):
    async with Bot(token, base_url=f"{url}/bot") as bot:
        await bot.send_message(chat, "warm")
        began = time.process_time()
        for number in range(count):
            await bot.send_message(chat, f"Message {number}")
        print((time.process_time() - began) * 1000 / count)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""
"""The bare client: milliseconds of CPU for one call."""


def configured(telegram: TelegramServer) -> dict[str, Any]:
    """Give what makes a gateway serve everybody on *telegram*."""
    return {
        "telegram": {"enabled": True, "base_url": telegram.url},
        "access": {"allow": {"telegram": "*"}},
    }


def secrets(telegram: TelegramServer) -> dict[str, str]:
    return {"TELEGRAM_BOT_TOKEN": telegram.token}


class Person:
    """Somebody who writes and waits for the whole answer."""

    def __init__(self, telegram: TelegramServer, name: str) -> None:
        self._chat = telegram.private(name, id=100_000 + len(telegram.chats))

    async def ask(self, text: str, seconds: float = 300.0) -> None:
        """Write *text*, and wait until the chat shows the answer, or that it may be a repeat, which
        it is on a machine so busy that a call takes 10 s. Raises TimeoutError.
        """
        self._chat.say(text)
        async with asyncio.timeout(seconds):
            while not self._shown().endswith(ANSWER):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def _shown(self) -> str:
        """What the last message says."""
        return str(next(reversed(self._chat.messages.values())).get("text", ""))


async def closed_loop(
    telegram: TelegramServer, chats: int, messages: int, name: str
) -> tuple[list[float], float]:
    """Let *chats* people write one message after another; give latencies and seconds in all."""
    latencies: list[float] = []

    async def one(number: int) -> None:
        person = Person(telegram, f"{name}{number}")
        for place in range(messages):
            began = time.perf_counter()
            await person.ask(f"Message {place}")
            latencies.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(chats)))
    return latencies, time.perf_counter() - began


async def alone(telegram: TelegramServer, count: int) -> float:
    """Give the milliseconds of CPU that one call costs the bare client."""
    chat = telegram.private("Alone", id=1)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ALONE, telegram.url, telegram.token, str(chat.id), str(count),
        stdout=subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    return float(said)


async def measured(options: argparse.Namespace, home: Path, url: str) -> None:
    async with TelegramServer() as telegram:
        async with gateway(home, url, configured(telegram), **secrets(telegram)):
            await telegram.called("getUpdates", 1, 60)  # once before, as with any installed program
        telegram.calls.clear()
        began = time.perf_counter()
        async with gateway(home, url, configured(telegram), **secrets(telegram)) as pid:
            await telegram.called("getUpdates", 1, 60)
            print(f"polls Telegram after s                {time.perf_counter() - began:9.2f}")
            await closed_loop(telegram, 10, 2, "warm")
            for number in range(options.rounds):
                bare = await alone(telegram, options.alone)
                telegram.calls.clear()
                before = state(pid)
                latencies, seconds = await closed_loop(
                    telegram, options.chats, options.messages, f"{number}-"
                )
                report_load(
                    f"closed loop, {options.chats} chats x {options.messages}",
                    latencies, seconds, before, state(pid),
                )  # fmt: skip
                made = Counter(call.method for call in telegram.calls)
                refused = sum(1 for call in telegram.calls if call.error)
                each = made.total() / len(latencies)
                said = ", ".join(f"{k} {n / len(latencies):.2f}" for k, n in made.most_common())
                print(
                    f"  calls of the Bot API a message    {each:9.2f}  ({said}; {refused} refused)"
                )
                print(f"  a call of the bare client, ms CPU {bare:9.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--chats", type=int, default=100)
    parser.add_argument("--messages", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alone", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hermes-bench-") as name:
        folder = Path(name)
        (folder / "home").mkdir()
        (folder / "script").write_text(json.dumps({"text": ANSWER, "delay": DELAY}) + "\n")
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
