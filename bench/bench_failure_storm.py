"""What a message costs a conversation that cannot succeed: the storm of pain point 12.

Everything installed takes part, an MCP server is configured, and the endpoint answers every call
with HTTP 400. 100 messages: three of them may reach the endpoint, the server is started once, and
each blocked message costs this process at most 2 ms of CPU. The other side are the messages that
still called: what each would cost without the plugin (the stand-in endpoint is part of that).
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from measure import middle

from hermes import SessionKey, TurnFinished
from hermes.runtime import Runtime
from hermes.testing import Fail, OpenAIServer

MESSAGES, ROUNDS = 100, 7
AIM = 2.0
COUNTED = """
import os, sys
with open({file!r}, "a") as file:
    file.write("started\\n")
os.execv(sys.executable, [sys.executable, "-m", "mcp_server_time"])
"""


async def storm(runtime: Runtime, chat: str) -> tuple[list[float], list[float]]:
    """Send the messages; give milliseconds of CPU of each that called and each that did not."""
    conversation = runtime.session(SessionKey("bench", chat), directory=str(Path.cwd()))
    called, blocked = [], []
    for _ in range(MESSAGES):
        began = time.process_time()
        async for event in conversation.send("Hello?"):
            if isinstance(event, TurnFinished):
                side = blocked if event.status == "blocked" else called
        side.append((time.process_time() - began) * 1000)
    return called, blocked


async def measured(home: Path) -> None:
    refusal = Fail("bad_request", "The model `gpt-none` does not exist", status=400)
    async with OpenAIServer(always=refusal) as server:
        started = home / "started"
        started.touch()
        (home / "server.py").write_text(COUNTED.format(file=str(started)))
        config = {
            "model": "openai:gpt-none",
            "openai": {"base_url": server.url},
            "mcp_servers": {"time": {"command": sys.executable, "args": [str(home / "server.py")]}},
        }
        (home / "config.yaml").write_text(json.dumps(config))
        async with Runtime.open(home) as runtime:
            await storm(runtime, "warm")
            before, called, blocked = len(server.requests), [], []
            for number in range(ROUNDS):
                sides = await storm(runtime, str(number))
                called += sides[0]
                blocked += sides[1]
        calls = (len(server.requests) - before) / ROUNDS
        print(f"messages that called the model   ms of CPU {middle(called)}")
        print(f"messages that were blocked       ms of CPU {middle(blocked)}  (aim {AIM})")
        mean = sum(blocked) / len(blocked)
        print(f"  on average                     ms of CPU {mean:9.3f}")
        print(f"ratio                            {sum(called) / len(called) / mean:9.1f}")
        print(f"model calls in {MESSAGES} messages        {calls:9.1f}  (aim 3)")
        print(f"MCP servers started in {(ROUNDS + 1) * MESSAGES} messages"
              f" {len(started.read_text().splitlines()):4}  (aim at most 1)")  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hermes-bench-") as name:
        home = Path(name) / "home"
        home.mkdir()
        asyncio.run(measured(home))


if __name__ == "__main__":
    main()
