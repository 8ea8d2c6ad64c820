"""A warm command over ssh against one bare ``asyncssh`` run, 50 ms away, in turn.

    python bench/bench_ssh.py [rounds]

The promise: ours takes at most what a bare ``run`` takes and 20 ms. Both go through one proxy that
holds every byte back for 50 ms each way, to one real sshd. Then the same without a delay, where
only the work is left.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import asyncssh
from measure import middle

from hermes import TerminalSpec
from hermes.testing import make_context
from hermes.testing.sshd import SSHServer, proxy, sshd
from hermes_plugin_ssh.backend import SSHBackend
from hermes_plugin_ssh.settings import SSHSettings

KERNEL = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=()))


async def compare(server: SSHServer, folder: Path, delay: float, rounds: int) -> float:
    """Print both sides at *delay* seconds each way; give the difference in milliseconds."""
    async with proxy(server.port, delay) as way:
        known = folder / "known_hosts"
        known.write_text(f"[127.0.0.1]:{way.port} {server.host_key}\n")
        settings = SSHSettings(
            host="127.0.0.1",
            port=way.port,
            user=server.user,
            key=str(server.key),
            known_hosts=str(known),
            config="",
        )
        context = make_context(
            "ssh", home=folder / "home", settings=settings, sections={"hermes": KERNEL}
        )
        backend = SSHBackend(context)
        terminal = await backend.terminal(TerminalSpec("bench"))
        await terminal.open()
        bare = await asyncssh.connect(
            "127.0.0.1",
            way.port,
            username=server.user,
            client_keys=[str(server.key)],
            known_hosts=str(known),
            config=None,
        )
        terminal.state = (await terminal.run("cd / && export A=1")).state
        await bare.run("true")
        ours, theirs = [], []
        for _ in range(rounds):
            began = time.perf_counter()
            await bare.run("echo hello")
            theirs.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            await terminal.run("echo hello")
            ours.append((time.perf_counter() - began) * 1000)
        bare.close()
        await terminal.close()
        await backend.close()
    more = statistics.median(a - b for a, b in zip(ours, theirs, strict=True))
    print(f"{delay * 1000:3.0f} ms each way, n={rounds}")
    print(f"  bare asyncssh run  ms {middle(theirs)}  {trips(theirs, delay)}")
    print(f"  ssh terminal       ms {middle(ours)}  {trips(ours, delay)}  {more:+.1f} ms")
    return more


def trips(times: list[float], delay: float) -> str:
    """Say how many round trips the median is."""
    return f"{statistics.median(times) / (2000 * delay):.2f} round trips" if delay else ""


async def main(rounds: int) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-ssh-") as name:
        folder = Path(name)
        with sshd(folder / "sshd") as server:
            more = await compare(server, folder, 0.05, rounds)
            await compare(server, folder, 0.0, rounds)
    print(f"promise: at most +20 ms: {'kept' if more <= 20 else 'BROKEN'}")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)))
