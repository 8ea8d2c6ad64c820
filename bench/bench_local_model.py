"""The embedded model: first word cold and warm, tokens a second, memory.

Each cold round is a new process, from before the library's import to the first word of an answer
to a question with a brief prompt (about 40 tokens) and with one of 200. Times are wall clock and
CPU of that process: on a busy machine only the latter says something. Fetches the model first
where it is not there (93 MB).
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hermes import Event, ModelRequest, ModelSpec, TextChunk, user
from hermes.testing import make_context
from hermes_plugin_local.fetch import fetch
from hermes_plugin_local.provider import LocalProvider
from hermes_plugin_local.settings import LocalSettings
from hermes_plugin_local.weights import BUNDLED

ROUNDS = 7
BRIEF = "You are Hermes, a helpful AI assistant. Answer the question in one short sentence."
LONG = BRIEF + " Be kind, be exact, and say so when you do not know." * 10


class Clock:
    """Wall clock and CPU since it was made, in milliseconds."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return wall * 1000, cpu * 1000


async def first_word(provider: LocalProvider, prompt: str, question: str) -> tuple[float, float]:
    clock, told = Clock(), list[tuple[float, float]]()

    def emit(event: Event) -> None:
        if isinstance(event, TextChunk):
            told.append(clock.read())

    spec = ModelSpec(f"local:{BUNDLED.name}", prompt, (user(question),), max_output=2)
    await provider.stream(ModelRequest(spec, emit))
    return told[0]


async def one_process(home: Path, prompt: str) -> dict[str, Any]:
    provider = LocalProvider(make_context("local", home=home, settings=LocalSettings()))
    cold = await first_word(provider, prompt, "What is the capital of France?")
    warm = await first_word(provider, prompt, "What is the capital of Italy?")
    spec = ModelSpec(f"local:{BUNDLED.name}", "", (user("Tell a long story."),), max_output=128)
    clock = Clock()
    used = (await provider.stream(ModelRequest(spec, lambda event: None))).usage.output
    wall, cpu = clock.read()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 if sys.platform == "linux" else 1 << 20
    )
    await provider.close()
    speed = (used / wall * 1000, used / cpu * 1000)
    return {"cold": cold, "warm": warm, "speed": speed, "peak": (peak, peak)}


def main() -> None:
    if len(sys.argv) == 3:
        sys.stdout.write(json.dumps(asyncio.run(one_process(Path(sys.argv[1]), sys.argv[2]))))
        return
    cache = Path(os.environ.get("HERMES_TEST_CACHE") or Path.home() / ".cache" / "hermes-tests")
    file = asyncio.run(fetch(BUNDLED, cache / "models", lambda done, total: None))
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "models").mkdir()
        (Path(home) / "models" / file.name).symlink_to(file)
        for name, prompt in (("brief", BRIEF), ("200 tokens", LONG)):
            runs = [
                json.loads(subprocess.check_output([sys.executable, __file__, home, prompt]))
                for _ in range(ROUNDS)
            ]
            for what, unit in (
                ("cold", "ms to the first word, model not loaded"),
                ("warm", "ms to the first word, next question"),
                ("speed", "tokens a second"),
                ("peak", "MB resident at most"),
            ):
                wall, cpu = zip(*(run[what] for run in runs), strict=True)
                spread = f"({min(wall):.0f}-{max(wall):.0f}; by CPU {statistics.median(cpu):.0f})"
                print(f"{name:10}  {what:5}  {statistics.median(wall):7.0f}  {spread}  {unit}")


if __name__ == "__main__":
    main()
