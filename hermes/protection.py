"""What a process of ours does to itself before it works for a model: it keeps no secret where
another process of the same person could look (``/proc/PID/environ``, ``ptrace``, a core dump).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from hermes.plugins import Host
from hermes.trees import MARK

_PR_SET_DUMPABLE = 4


def protect(host: Host) -> None:
    """Withdraw the secrets from the environment, learn those of ``auth.json`` so that they are
    redacted, and let nobody but root look into the process.

    Beneath another Hermes the process stays visible: that one's registry must find it by its mark,
    and its environment came without secrets.
    """
    scrub(host.secrets.withdraw())
    host.secrets.conceal_file(host.paths.home / "auth.json")
    if sys.platform == "linux" and MARK not in os.environ and not os.environ.get("HERMES_DEBUG"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def scrub(names: Iterable[str]) -> None:
    """Overwrite the values of variables in the memory that the process started with.

    `os.environ` no longer having them does not change what ``/proc/PID/environ`` shows.
    """
    with contextlib.suppress(OSError, ValueError):  # no such thing here
        fields = Path("/proc/self/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        start = int(fields[47])  # env_start, the 50th field of all (proc_pid_stat(5))
        block = Path("/proc/self/environ").read_bytes()
        for name in names:
            for at in _places(block, os.fsencode(name) + b"="):
                value = at + len(os.fsencode(name)) + 1
                ctypes.memset(start + value, ord("*"), block.index(b"\0", value) - value)


def _places(block: bytes, begin: bytes) -> list[int]:
    """Find where a line of the block begins so."""
    lines = block.split(b"\0")
    offsets = [sum(len(line) + 1 for line in lines[:place]) for place in range(len(lines))]
    return [at for at, line in zip(offsets, lines, strict=True) if line.startswith(begin)]
