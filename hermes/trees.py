"""Whole trees of processes, by a mark in their environment; and whether a process still lives.

Linux reads ``/proc``; elsewhere ``ps`` shows what one's own processes have.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARK = "HERMES_CHILD"
SEAL = 2**61
"""Microseconds of the hard limit ``RLIMIT_RTTIME`` of what a tool started. All that it starts has
it too, through forks, sessions and clean environments, and only root can lift it. It bounds what
runs under a realtime scheduler, after 70,000 years."""


def beneath() -> bool:
    """Whether a tool of some Hermes started this process, itself or through others.

    The mark in the environment says so; where it was taken away, that of a process above does,
    which has it for life; where nobody is above any more, the seal. Only root can break that, and
    other systems than Linux have none.
    """
    if os.environ.get(MARK) or _sealed():
        return True
    mark, pid = f"{MARK}=".encode(), os.getppid()
    while pid > 1:
        with contextlib.suppress(OSError):  # somebody else's, or no /proc
            entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if any(entry.startswith(mark) for entry in entries):
                return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_bytes().rsplit(b")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            return False
    return False


def seal(pid: int) -> None:
    """Seal a child just started, and so all that it starts."""
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import resource  # noqa: PLC0415 - not on every system

        resource.prlimit(pid, resource.RLIMIT_RTTIME, (SEAL, SEAL))


def _sealed() -> bool:
    """Whether the limit is set, to whatever: it can be lowered, and never taken off."""
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import resource  # noqa: PLC0415

        return resource.getrlimit(resource.RLIMIT_RTTIME)[1] != resource.RLIM_INFINITY
    return False


async def end(grace: float, *marks: str) -> None:
    """SIGTERM, *grace* seconds, then SIGKILL until nothing carries one of the marks."""
    deadline = time.monotonic() + grace
    _signal(marked(*marks), signal.SIGTERM)
    while left := marked(*marks):
        if time.monotonic() >= deadline:
            _signal(left, getattr(signal, "SIGKILL", signal.SIGTERM))
            if time.monotonic() >= deadline + 10:
                return  # in an uninterruptible call; the record is gone, the kernel will end it
        await asyncio.sleep(0.03)


def marked(*marks: str) -> set[int]:
    """Give the processes that carry a mark that begins so, and those beneath that wiped it off."""
    carriers: set[int] = set()
    parents: dict[int, int] = {}
    for pid, parent, carried in _processes():
        parents[pid] = parent
        if any(each.startswith(marks) for each in carried):
            carriers.add(pid)
    found = carriers
    while found:
        found = {pid for pid, parent in parents.items() if parent in found} - carriers
        carriers |= found
    return carriers - {os.getpid()}


def carried() -> set[str]:
    """Give every mark that some process carries."""
    return {mark for _, _, marks in _processes() for mark in marks}


def _processes() -> Iterator[tuple[int, int, list[str]]]:
    """Give (pid, parent, marks) of every process that still runs."""
    if not sys.platform.startswith("linux"):
        yield from _processes_by_ps()
        return
    wanted = f"{MARK}=".encode()
    for name in os.listdir("/proc"):  # noqa: PTH208  a scan that must be quick
        if not name.isdigit():
            continue
        try:
            state, parent, _ = _stat(int(name))
        except (OSError, ValueError):
            continue
        if state in "ZX":
            continue
        marks: list[str] = []
        with contextlib.suppress(OSError):  # another user's
            for line in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                if line.startswith(wanted):
                    marks = line[len(wanted) :].decode("ascii", "replace").split(",")
        yield int(name), parent, marks


def _processes_by_ps() -> Iterator[tuple[int, int, list[str]]]:
    command = ["ps", "-A", "-E", "-ww", "-o", "pid=,ppid=,stat=,command="]
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return
    for line in text.splitlines():
        pid, parent, state, rest = [*line.split(None, 3), "", "", "", ""][:4]
        if pid.isdigit() and not state.startswith("Z"):
            marks = [w[len(MARK) + 1 :] for w in rest.split() if w.startswith(f"{MARK}=")]
            yield int(pid), int(parent), marks[0].split(",") if marks else []


def _stat(pid: int) -> tuple[str, int, str]:
    """Give (state, parent, start time) of a process. Its name may hold blanks and brackets."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return fields[0], int(fields[1]), fields[19]


def identity(pid: int) -> dict[str, Any]:
    """Say which process this is, so that its number alone is never trusted."""
    about: dict[str, Any] = {"pid": pid, "start": "", "boot": "", "namespace": ""}
    with contextlib.suppress(OSError, ValueError):
        about["start"] = _stat(pid)[2]
        about["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        about["namespace"] = str(Path("/proc/self/ns/pid").readlink())
    return about


def lives(record: dict[str, Any]) -> bool:
    """Whether the owner is still there; one in another container is not ours to judge."""
    now = identity(int(record["pid"]))
    if record["boot"] != now["boot"] and now["boot"]:
        return False
    if record["namespace"] != now["namespace"] and now["namespace"]:
        return True
    if now["start"] or now["boot"]:
        return bool(record["start"] == now["start"]) and not _is_zombie(int(record["pid"]))
    try:  # no /proc
        os.kill(int(record["pid"]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _is_zombie(pid: int) -> bool:
    """Whether it has ended and its parent took no notice: not every container has an init."""
    with contextlib.suppress(OSError, ValueError):
        return _stat(pid)[0] == "Z"
    return False


def _signal(pids: set[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
