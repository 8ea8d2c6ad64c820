"""What the benchmarks share: whole processes timed in turn, and medians with their spread.

Both sides of a comparison run in one session, A B A B …, so that a machine that grows slower in
the middle slows both.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")


class Run(NamedTuple):
    """One finished process."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system."""
    peak: int
    """Largest resident size, bytes."""


def run(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Run:
    """Run *command* to its end. Raises RuntimeError with what it said when it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    said = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command}: exit {process.returncode}: {said.decode()[-500:]}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def in_turn(
    sides: Mapping[str, Sequence[str | Path]],
    rounds: int = 11,
    env: Mapping[str, str] | None = None,
) -> dict[str, list[Run]]:
    """Run each side once to warm up, then all in turn, *rounds* times."""
    for command in sides.values():
        run(command, env)
    runs: dict[str, list[Run]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, command in sides.items():
            runs[name].append(run(command, env))
    return runs


def middle(values: Sequence[float]) -> str:
    """Say median and spread."""
    return f"{statistics.median(values):9.3f}  ({min(values):.3f}-{max(values):.3f})"


def table(runs: Mapping[str, Sequence[Run]], bare: str) -> None:
    """Print each side's wall, CPU and ratio to *bare*: the median of the ratios pair by pair."""
    print(f"{'':34}{'wall ms':>28}{'cpu ms':>28}{'x bare':>8}")
    for name, side in runs.items():
        wall = middle([one.wall * 1000 for one in side])
        cpu = middle([one.cpu * 1000 for one in side])
        ratio = statistics.median(a.wall / b.wall for a, b in zip(side, runs[bare], strict=True))
        print(f"{name:34}{wall:>28}{cpu:>28}{ratio:8.2f}")


def installed(folder: Path) -> Path:
    """Build every wheel and install all of them into a new environment; give its ``bin``."""
    os.environ.pop("VIRTUAL_ENV", None)
    os.environ.setdefault("UV_SYSTEM_CERTS", "1")
    dist = folder / "dist"
    quiet = {"check": True, "cwd": ROOT, "stdout": subprocess.DEVNULL}
    subprocess.run(
        [UV, "build", "-q", "--all-packages", "--wheel", "--no-build-isolation",
         "--python", sys.executable, "--out-dir", dist], **quiet,
    )  # fmt: skip
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, folder / "env"], **quiet)
    python = folder / "env" / "bin" / "python"
    subprocess.run(
        [UV, "pip", "install", "-q", "--compile-bytecode", "--python", python,
         "-c", ROOT / "requirements.lock", *dist.glob("*.whl")], **quiet,
    )  # fmt: skip
    return python.parent


def served(folder: Path, *arguments: str | Path) -> tuple[subprocess.Popen[str], str]:
    """Start the kit's OpenAI-compatible server in a process of its own; give it and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hermes.testing.openai_server", "--port", "0", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=(folder / "server.log").open("w"),
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()
