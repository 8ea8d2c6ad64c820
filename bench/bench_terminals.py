"""What a command costs on a terminal, against the bare way to run it, in turn in one session.

    python bench/bench_terminals.py [--rounds 31]

`local` against a bare subprocess of bash, `sandbox` against a bare `bwrap` of bash, `docker` (with
a daemon of its own, where that is installed and this is root) against `docker exec`. The nothing
(`true`) shows what is added; the everyday command (a search through the kernel's source) what that
is of real work. Our side keeps directory, environment and output, and can kill the whole tree.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from measure import ROOT, middle

from hermes import Terminal, TerminalLimits, TerminalSpec
from hermes.children import ProcessChildren
from hermes.testing import FakeContext, make_context
from hermes.testing.dockerd import run_dockerd

Run = Callable[[], Awaitable[object]]
KERNEL = {"hermes": SimpleNamespace(terminal=SimpleNamespace(env_passthrough=()))}
NOTHING = "true"


def everyday(folder: str) -> str:
    return f"grep -rlE 'async def [a-z]+' {folder} | sort | head -50 | xargs wc -l | tail -1"


def bare(*words: str) -> Run:
    """A subprocess with its output captured, in a session of its own, as one must be that is to
    be killed whole; the scheduler treats those differently on a busy machine.
    """

    async def once() -> None:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        await process.communicate()
        assert process.returncode == 0, words

    return once


def ours(terminal: Terminal, command: str) -> Run:
    async def once() -> None:
        result = await terminal.run(command)
        assert result.exit_code == 0, result

    return once


async def compare(name: str, sides: dict[str, tuple[Run, Run]], rounds: int) -> None:
    """Run the bare side and ours in turn; print medians and the median of the ratios."""
    for what, (first, second) in sides.items():
        times: tuple[list[float], list[float]] = ([], [])
        for number in range(rounds + 1):
            for side, run in zip(times, (first, second), strict=True):
                began = time.perf_counter()
                await run()
                if number:  # the first warms up
                    side.append((time.perf_counter() - began) * 1000)
        ratio = statistics.median(b / a for a, b in zip(*times, strict=True))
        print(f"{name:9}{what:10}{middle(times[0]):>32}{middle(times[1]):>32}{ratio:8.2f}")


def made(plugin: str, home: Path, settings: Any) -> FakeContext:
    """A context with the runtime's own registry of children."""
    children = ProcessChildren(home / "run")
    return make_context(plugin, home=home, settings=settings, sections=KERNEL, children=children)


async def opened(backend: Any, directory: str) -> Terminal:
    await backend.open()
    limits = TerminalLimits(cpu=2, memory=1024, processes=256)
    terminal: Terminal = await backend.terminal(TerminalSpec("bench", directory, limits=limits))
    await terminal.open()
    return terminal


async def local(home: Path, rounds: int) -> None:
    from hermes_plugin_local_terminal.backend import LocalBackend
    from hermes_plugin_local_terminal.settings import LocalTerminalSettings

    settings = LocalTerminalSettings()
    context = made("local-terminal", home, settings)
    terminal = await opened(LocalBackend(context), str(ROOT))
    commands = {"nothing": NOTHING, "everyday": everyday(str(ROOT / "hermes"))}
    sides = {n: (bare("bash", "-c", c), ours(terminal, c)) for n, c in commands.items()}
    await compare("local", sides, rounds)
    await terminal.close()


async def sandbox(home: Path, rounds: int) -> None:
    from hermes_plugin_sandbox.backend import SandboxBackend
    from hermes_plugin_sandbox.settings import SandboxSettings

    source = str(ROOT / "hermes")
    settings = SandboxSettings(engine="bwrap", read=(source,))
    context = made("sandbox", home, settings)
    terminal = await opened(SandboxBackend(context), "")
    commands = {"nothing": NOTHING, "everyday": everyday(source)}
    wrap = ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev")
    sides = {n: (bare(*wrap, "bash", "-c", c), ours(terminal, c)) for n, c in commands.items()}
    await compare("sandbox", sides, rounds)
    await terminal.close()


async def docker(home: Path, folder: Path, rounds: int) -> None:
    from hermes_plugin_docker.backend import DockerBackend
    from hermes_plugin_docker.settings import DockerSettings
    from hermes_plugin_docker.terminal import DockerTerminal

    with run_dockerd(folder, set()) as daemon:
        image = daemon.image("hermes-bench")
        settings = DockerSettings(image=image, host=daemon.url, network=False)
        context = made("docker", home, settings)
        backend = DockerBackend(context)
        terminal = await opened(backend, "")
        assert isinstance(terminal, DockerTerminal)
        await asyncio.to_thread(
            daemon.cli, "cp", str(ROOT / "hermes"), f"{terminal.container_name}:/workspace/hermes"
        )
        commands = {"nothing": NOTHING, "everyday": everyday("/workspace/hermes")}
        into = ("docker", "-H", daemon.url, "exec", terminal.container_name)
        sides = {n: (bare(*into, "bash", "-c", c), ours(terminal, c)) for n, c in commands.items()}
        await compare("docker", sides, rounds)
        await terminal.close()
        await backend.close()


async def main(rounds: int) -> None:
    print(f"{'':19}{'bare ms':>32}{'ours ms':>32}{'ratio':>8}")
    with ExitStack() as stack:
        home, data = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        await local(home, rounds)
        if shutil.which("bwrap"):
            await sandbox(home, rounds)
        if shutil.which("dockerd") and os.geteuid() == 0:
            await docker(home, data, rounds)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=31)
    return parser.parse_args(words)


if __name__ == "__main__":
    asyncio.run(main(arguments().rounds))
