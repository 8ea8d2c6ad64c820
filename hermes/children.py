"""Child processes: a mark in the environment finds whole trees, double forks included (§9).

The mark is ``HERMES_CHILD``: ``owner:token`` for each Hermes above, so one that a tool started
belongs to that tool's tree too. An owner is one process of ours; a file in the home's ``run`` says
which (pid, start time, boot, pid namespace), so that the next Hermes can end what a killed one
left, and nothing else. Linux reads ``/proc``; elsewhere ``ps`` shows what one's own processes have.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets as random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermes.context import Children
from hermes.files import replace_file
from hermes.paths import private
from hermes.secrets import SecretStore

MARK = "HERMES_CHILD"
_INHERITED = """
PATH HOME USER LOGNAME SHELL LANG LANGUAGE TERM COLORTERM TZ TMPDIR
SYSTEMROOT COMSPEC PATHEXT TEMP TMP USERPROFILE
"""
INHERITED = frozenset(_INHERITED.split())
"""What a child gets of our environment, with ``LC_*``."""


class ProcessChildren(Children):
    """The registry of one process. *run* is the home's folder for what lives with processes;
    variables that *secrets* knows are passed to no child.
    """

    def __init__(self, run: Path, secrets: SecretStore | None = None) -> None:
        self._run, self._secrets = run, secrets
        self._owner = random.token_hex(8)
        self._tokens: dict[str, str] = {}

    def mark(self, env: dict[str, str], *, what: str) -> str:
        token = random.token_hex(8)
        self._tokens[token] = what
        self._record()  # before the child is there: a kill in between leaves nothing behind
        above = os.environ.get(MARK)
        env[MARK] = f"{above},{self._owner}:{token}" if above else f"{self._owner}:{token}"
        return token

    def alive(self, token: str) -> tuple[int, ...]:
        return tuple(sorted(marked(f"{self._owner}:{token}")))

    async def kill(self, token: str, *, grace: float = 2.0) -> None:
        await end(f"{self._owner}:{token}", grace)
        self.forget(token)

    def forget(self, token: str) -> None:
        if self._tokens.pop(token, None) is not None:
            self._record()

    def allowlist(self, *more: str) -> dict[str, str]:
        denied = self._secrets.environment() if self._secrets is not None else frozenset()
        names = [*INHERITED, *(name for name in os.environ if name.startswith("LC_")), *more]
        return {n: os.environ[n] for n in names if n in os.environ and n not in denied}

    def listed(self) -> dict[str, str]:
        """Give the tokens in use and what they are for."""
        return dict(self._tokens)

    async def close(self) -> None:
        """End every tree that is left."""
        if self._tokens:
            await end(f"{self._owner}:", 2.0)
            self._tokens.clear()
            self._record()

    async def reap(self) -> list[str]:
        """End the trees of owners that died, and say what they were for."""
        ended: list[str] = []
        for file in sorted(self._run.glob("children-*.json")):
            try:
                record = json.loads(file.read_text())
                whose = record["owner"]
            except (OSError, ValueError, LookupError):
                continue
            if whose == self._owner or _lives(record):
                continue
            if marked(f"{whose}:"):
                ended += record["tokens"].values()
                await end(f"{whose}:", 2.0)
            file.unlink(missing_ok=True)
        return ended

    def _record(self) -> None:
        file = private(self._run) / f"children-{self._owner}.json"
        if self._tokens:
            record = {"owner": self._owner, **_identity(os.getpid()), "tokens": self._tokens}
            replace_file(file, json.dumps(record), mode=0o600)
        else:
            file.unlink(missing_ok=True)


async def end(mark: str, grace: float) -> None:
    """SIGTERM, *grace* seconds, then SIGKILL until nothing carries the mark."""
    deadline = time.monotonic() + grace
    _signal(marked(mark), signal.SIGTERM)
    while left := marked(mark):
        if time.monotonic() >= deadline:
            _signal(left, getattr(signal, "SIGKILL", signal.SIGTERM))
            if time.monotonic() >= deadline + 10:
                return  # in an uninterruptible call; the record is gone, the kernel will end it
        await asyncio.sleep(0.03)


def marked(mark: str) -> set[int]:
    """Give the processes that carry *mark*, and those beneath them that wiped it off."""
    carriers: set[int] = set()
    parents: dict[int, int] = {}
    for pid, parent, marks in _processes():
        parents[pid] = parent
        if any(each.startswith(mark) for each in marks):
            carriers.add(pid)
    found = carriers
    while found:
        found = {pid for pid, parent in parents.items() if parent in found} - carriers
        carriers |= found
    return carriers - {os.getpid()}


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


def _identity(pid: int) -> dict[str, Any]:
    """Say which process this is, so that its number alone is never trusted."""
    about: dict[str, Any] = {"pid": pid, "start": "", "boot": "", "namespace": ""}
    with contextlib.suppress(OSError, ValueError):
        about["start"] = _stat(pid)[2]
        about["boot"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        about["namespace"] = str(Path("/proc/self/ns/pid").readlink())
    return about


def _lives(record: dict[str, Any]) -> bool:
    """Whether the owner is still there; one in another container is not ours to judge."""
    now = _identity(int(record["pid"]))
    if record["boot"] != now["boot"] and now["boot"]:
        return False
    if record["namespace"] != now["namespace"] and now["namespace"]:
        return True
    if now["start"] or now["boot"]:
        return bool(record["start"] == now["start"])
    try:  # no /proc
        os.kill(int(record["pid"]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _signal(pids: set[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
