"""The loop's cost a step: 50 sequential tool calls through everything, against the bare SDK.

Ours: journal on SQLite, policy, gate, fold, middleware of every installed plugin. The bare side
makes the same streaming calls with the same growing history and no loop around them. CPU of this
process; the server is another. Aim: at most twice.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from bench_openai_call import bare
from measure import middle, served
from openai import AsyncOpenAI

from hermes import Authority, SessionKey, ToolFinished, TurnFinished
from hermes.runtime import Runtime

STEPS, ROUNDS = 50, 7


async def ours(runtime: Runtime, chat: str) -> tuple[float, int]:
    """Run one turn of STEPS tool calls; give milliseconds of CPU a step and the commits."""
    conversation = runtime.session(SessionKey("bench", chat), directory=str(Path.cwd()))
    before = (await runtime.store.stats()).commits
    began, calls = time.process_time(), 0
    async for event in conversation.send(
        "Do it.", authority=Authority("bench", role="owner", yolo=True), steps=STEPS
    ):
        calls += isinstance(event, ToolFinished)
        if isinstance(event, TurnFinished):
            assert event.status in ("ok", "failed"), event
    assert calls >= STEPS, calls
    cost = (time.process_time() - began) * 1000 / calls
    return cost, (await runtime.store.stats()).commits - before


async def measured(home: Path, url: str) -> None:
    (home / "config.yaml").write_text(f"model: openai:test\nopenai:\n  base_url: {url}\n")
    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    async with Runtime.open(home) as runtime:
        sides: dict[str, list[float]] = {"ours": [], "bare SDK": []}
        await ours(runtime, "warm")
        await bare(client)
        for number in range(ROUNDS):
            cost, commits = await ours(runtime, str(number))
            sides["ours"].append(cost)
            sides["bare SDK"].append(await bare(client))
    for name, costs in sides.items():
        print(f"{name:12} ms of CPU a step {middle(costs)}")
    ratios = [a / b for a, b in zip(sides["ours"], sides["bare SDK"], strict=True)]
    print(f"{'ratio':12} (aim 2)         {middle(ratios)}")
    print(f"commits, each one wait for the disk: {commits} in a turn of {STEPS} steps")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hermes-bench-") as name:
        folder = Path(name)
        answer = (
            '{"chunks": ["I ", "will ", "look ", "at ", "it."],'
            ' "calls": [{"name": "read_file", "arguments": "{\\"path\\": \\"README.md\\"}"}]}'
        )
        (folder / "script").write_text(answer + "\n")
        server, url = served(folder, "--script", folder / "script", "--loop")
        try:
            (folder / "home").mkdir()
            asyncio.run(measured(folder / "home", url))
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
