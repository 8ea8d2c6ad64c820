"""Named places where a test kills the process for real.

    await store.commit(changes)
    reach("step.committed")

In a person's process this does nothing. A test arms one in a child process:
``HERMES_KILL_AT=step.committed:3`` sends SIGKILL at the third passing, so nothing is flushed,
closed or caught, as when power goes. ``HERMES_KILL_LOG=FILE`` adds a line for every passing, by
which CI proves that each point is hit at all. The arming side is `hermes.testing.kill`.
"""

from __future__ import annotations

import os
import signal

AT = "HERMES_KILL_AT"
LOG = "HERMES_KILL_LOG"

_passed: dict[str, int] = {}  # how often this process came by, counted only while armed


def reach(name: str) -> None:
    """Say that execution is at *name*; die here if a test asked for it."""
    log = os.environ.get(LOG)
    if log:
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{name}\n")
    armed = os.environ.get(AT)
    if not armed:
        return
    wanted, _, nth = armed.partition(":")
    if wanted != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
