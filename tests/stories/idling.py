"""A program that measures itself: a runtime of a real home, open and then idle.

    python idling.py SECONDS [bare]

prints JSON. ``bare`` measures an event loop alone, for what Python itself costs. Memory is in
bytes, times are in seconds; ``switches`` are how often this process woke up.
"""

from __future__ import annotations

import time

BEGAN = time.monotonic()

import asyncio  # noqa: E402
import json  # noqa: E402
import re  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402


def memory() -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def woken() -> int:
    """Count voluntary context switches of all threads."""
    count = 0
    for thread in Path("/proc/self/task").iterdir():
        found = re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", (thread / "status").read_text())
        count += int(found[1]) if found else 0
    return count


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def idle(seconds: float) -> dict[str, float]:
    await asyncio.sleep(1)  # what the opening left to do
    cpu, switches = used(), woken()
    await asyncio.sleep(seconds)
    return {"cpu": used() - cpu, "switches": woken() - switches, "memory": memory()}


async def main() -> None:
    seconds = float(sys.argv[1])
    if sys.argv[2:] == ["bare"]:
        print(json.dumps({"ready": time.monotonic() - BEGAN, **await idle(seconds)}))
        return
    from hermes.runtime import Runtime
    from hermes.session import SessionKey

    async with Runtime.open(surface="test") as runtime:
        ready = time.monotonic() - BEGAN
        opened = sorted(name for name in sys.modules if name.startswith("hermes_plugin_"))
        unused = await idle(seconds)
        async for _ in runtime.session(SessionKey("test", "me")).send("Hello"):
            pass
        after = await idle(seconds)
        modules = sorted(name for name in sys.modules if name.startswith("hermes_plugin_"))
    print(json.dumps({"ready": ready, "opened": opened, "unused": unused, "after": after,
                      "modules": modules}))  # fmt: skip


asyncio.run(main())
