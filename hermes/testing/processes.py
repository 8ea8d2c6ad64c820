"""What the operating system knows of processes, read from ``/proc``.

Elsewhere than on Linux nothing is listed, so the checks that stand on it pass over.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

PROC = Path("/proc")
LOOKS = 20
"""How often the processes are looked at while some end before they can be asked."""
PYTHON_OWN = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Children that Python keeps for the life of a process."""


class ProcessInfo(msgspec.Struct, frozen=True):
    """One process, as it was when it was looked at."""

    pid: int
    parent: int
    state: str
    """One letter as ``ps`` shows it; ``Z`` is dead and not yet waited for."""
    started: int
    """Clock ticks since boot: with `pid` it names a process for ever."""
    name: str


def processes() -> list[ProcessInfo]:
    """List every process that can be seen."""
    if not PROC.joinpath("self", "stat").exists():
        return []
    found: dict[int, ProcessInfo | None] = {}
    ended: set[int] = set()
    for _ in range(LOOKS):
        found = {int(name): look(int(name)) for name in os.listdir(PROC) if name.isdigit()}  # noqa: PTH208
        # One that ended while we looked may have left a child that we did not list.
        new = {pid for pid, process in found.items() if process is None or process.state == "Z"}
        if new <= ended:
            break
        ended |= new
    return [process for process in found.values() if process is not None]


def look(pid: int) -> ProcessInfo | None:
    """Describe process *pid*; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:  # noqa: PTH123 - hundreds a test
            text = file.read()
    except OSError:
        return None
    # The name stands in parentheses and may hold anything, more parentheses too.
    name, _, rest = text.rpartition(")")
    fields = rest.split()
    return ProcessInfo(pid, int(fields[1]), fields[0], int(fields[19]), name.partition("(")[2])


def command(pid: int) -> str:
    """Give the command line of process *pid*, as far as it is still there."""
    try:
        return (
            (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        return ""


def environment(pid: int) -> str:
    """Give the environment that process *pid* was started with, NUL between variables."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def directory(pid: int) -> str:
    """Give the folder that process *pid* is in."""
    try:
        return str((PROC / str(pid) / "cwd").readlink())
    except OSError:
        return ""


def me() -> int:
    """Give the pid of this process."""
    return os.getpid()


def running(pid: int) -> bool:
    """Whether process *pid* is there and not merely waiting to be reaped."""
    process = look(pid)
    return process is not None and process.state != "Z"


def descendants(pid: int, among: Iterable[ProcessInfo] | None = None) -> list[ProcessInfo]:
    """List what *pid* started and what that started, dead ones left out."""
    everything = list(processes() if among is None else among)
    family, found = {pid}, True
    while found:
        found = False
        for process in everything:
            if process.parent in family and process.pid not in family:
                family.add(process.pid)
                found = True
    return [p for p in everything if p.pid in family and p.pid != pid and p.state != "Z"]


def snapshot() -> frozenset[tuple[int, int]]:
    """Name every process there is now, by pid and start."""
    return frozenset((process.pid, process.started) for process in processes())


def belonging(
    folder: Path, *, since: frozenset[tuple[int, int]] = frozenset(), besides: Iterable[int] = ()
) -> list[ProcessInfo]:
    """List processes of this process, or that work beneath *folder* or were told of it.

    The second finds what was orphaned when its parent was killed: it is nobody's child any more,
    but a folder that only these tests have stands in its environment, command or directory.
    Those of the snapshot *since* are left out, and the whole trees of the pids *besides*.
    """
    found: list[ProcessInfo] = []
    for _ in range(LOOKS):
        everything = processes()
        new = [p for p in everything if (p.pid, p.started) not in since and p.state != "Z"]
        if not new:
            break
        mine = {process.pid for process in descendants(os.getpid(), everything)}
        spared = {os.getpid(), *besides}
        for pid in besides:
            spared.update(process.pid for process in descendants(pid, everything))
        others = [p for p in new if p.pid not in spared]
        told = {p.pid: p.pid in mine or _told_of(folder, p) for p in others}
        found = [
            p
            for p in others
            if told[p.pid] and not any(own in command(p.pid) for own in PYTHON_OWN)
        ]
        # One that ended before it could be asked may have left a child: look again.
        if found or None not in told.values():
            break
    return found


def left_behind(
    folder: Path, *, since: frozenset[tuple[int, int]], besides: Iterable[int], seconds: float
) -> list[ProcessInfo]:
    """Give those of `belonging` that do not end by themselves within *seconds*.

    Each look is a new one: while a daemon is being born its parents end.
    """
    until = time.monotonic() + seconds
    while left := belonging(folder, since=since, besides=besides):
        if time.monotonic() > until:
            return left
        time.sleep(0.01)
    return []


def _told_of(folder: Path, process: ProcessInfo) -> bool | None:
    """Whether it was told of *folder*; None where it ended before that could be seen."""
    traces = (command(process.pid), directory(process.pid) + "/", environment(process.pid))
    if any(f"{folder}/" in trace for trace in traces):
        return True
    return False if running(process.pid) else None


def wait_gone(pids: Iterable[int], seconds: float) -> list[int]:
    """Wait until none of *pids* runs; give those that still do after *seconds*."""
    until = time.monotonic() + seconds
    left = [pid for pid in pids if running(pid)]
    while left and time.monotonic() < until:
        time.sleep(0.01)
        left = [pid for pid in left if running(pid)]
    return left


def kill(pids: Iterable[int], number: int = signal.SIGKILL) -> None:
    """Send a signal to those of *pids* that are still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
