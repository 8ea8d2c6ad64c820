"""Resident memory: idle, with SDKs open against a bare script that imports them, a session more."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

IDLE = """
import asyncio, sys
from hermes.runtime import Runtime

async def main():
    async with Runtime.open():
        print(int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1]))

asyncio.run(main())
"""
OPEN = """
import asyncio, sys
from hermes.runtime import Runtime

async def main():
    async with Runtime.open() as runtime:
        await runtime.warm("openai:test")
        import mcp
        print(int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1]))

asyncio.run(main())
"""
BARE = """
import asyncio, mcp, openai
client = openai.AsyncOpenAI(api_key="none")
print(int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1]))
"""
SESSIONS = """
import asyncio
from hermes import Append, Record, Text, Answer, UserSaid, Opened, SessionKey
from hermes.runtime import Runtime

def rss():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1])

async def main():
    async with Runtime.open() as runtime:
        before = rss()
        for number in range(200):
            conversation = await runtime.conversation(SessionKey("bench", str(number)))
            records = [Record("", Opened(prompt="p" * 4000))]
            for turn in range(10):
                records += [Record("", UserSaid(text="x" * 300)),
                            Record("", Answer(parts=(Text("y" * 700),), model="m:m"))]
            await runtime.store.commit([Append(conversation.info.id, tuple(records))])
            await conversation.load()
            await conversation.messages()
        print((rss() - before) / 200)

asyncio.run(main())
"""


def said(source: str, home: Path) -> float:
    done = subprocess.run(
        [sys.executable, "-c", source],
        env={"HERMES_HOME": str(home), "PATH": "/usr/bin:/bin", "OPENAI_API_KEY": "none"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.strip().splitlines()[-1]) / 1024


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hermes-bench-") as name:
        home = Path(name)
        idle = sorted(said(IDLE, home) for _ in range(5))[2]
        opened = sorted(said(OPEN, home) for _ in range(5))[2]
        bare = sorted(said(BARE, home) for _ in range(5))[2]
        print(f"idle, no provider opened (aim 40)            {idle:7.1f} MB")
        print(f"with openai and mcp                          {opened:7.1f} MB")
        print(f"bare script with the same SDKs               {bare:7.1f} MB")
        print(f"above it (aim 15)                            {opened - bare:7.1f} MB")
        each = sorted(said(SESSIONS, home / str(n)) for n in range(3))[1] * 1024
        print(f"an idle session of 20 messages, 10,000 chars {each:7.1f} KB")


if __name__ == "__main__":
    main()
