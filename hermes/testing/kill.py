"""Arm kill points in a child process, and see which were reached (see `hermes.killpoint`)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from hermes.killpoint import AT, LOG, reach

point = reach
"""Mark a place in code under test, as the kernel does."""


def armed(name: str, nth: int = 1, *, log: Path | None = None) -> dict[str, str]:
    """Give the variables that kill a process at its *nth* passing of *name*."""
    return {AT: f"{name}:{nth}", **(logged(log) if log else {})}


def logged(log: Path) -> dict[str, str]:
    """Give the variables that write down every point that a process passes."""
    return {LOG: str(log)}


def reached(log: Path) -> Counter[str]:
    """Count the passings in *log*; empty where no point was passed."""
    return Counter(log.read_text(encoding="utf-8").splitlines() if log.exists() else ())


def run(
    arguments: Sequence[str | Path],
    *,
    at: str,
    nth: int = 1,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Run a Python program (``["-c", …]``, ``["-m", …]``) that must die at kill point *at*.

    Raises AssertionError with all it printed when it ended in any other way: a test that kills at
    a point which is never reached proves nothing.
    """
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, **(env or {}), **armed(at, nth)},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode != -signal.SIGKILL:
        said = f"{done.stdout}{done.stderr}".strip()
        raise AssertionError(
            f"expected death at kill point {at!r} (passing {nth}),"
            f" but the program ended with {done.returncode}\n{said}"
        )
    return done
