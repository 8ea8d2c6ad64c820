"""A thread that notices when the event loop stands still, and names the plugin that holds it.

While a plugin blocks (a sleep that is no await, a loop that computes), nobody is served. The thread
says who it is; after a minute it raises an error in that plugin's code, which ends a computation,
though not a call that sits in the system.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
import time

from hermes.blame import Blame
from hermes.context import Log

EVERY = 2.0
"""Seconds between two looks."""
PATIENCE = 5.0
"""Seconds without a turn of the loop after which somebody is named."""
LONGEST = 60.0
"""Seconds after which whoever holds the loop is interrupted."""


class Blocked(Exception):
    """Raised in the code that held the event loop for too long."""


class Watchdog:
    """Watches the loop that runs when it starts."""

    def __init__(
        self,
        blame: Blame,
        log: Log,
        *,
        every: float = EVERY,
        patience: float = PATIENCE,
        longest: float = LONGEST,
    ) -> None:
        self._blame, self._log = blame, log
        self._every, self._patience, self._longest = every, patience, longest
        self._stop = threading.Event()
        self._beat = 0.0
        self._named = False
        self._timer: asyncio.TimerHandle | None = None
        self._watched = 0

    def start(self) -> None:
        """Begin. Call it in the loop's thread."""
        self._watched = threading.get_ident()
        self._tick()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self._beat = time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(self._every, self._tick)

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._stop.wait(self._every):
            before, looked = looked, time.monotonic()
            if looked - before > self._every * 2:
                continue  # the whole process stood still, not the loop alone
            late = looked - self._beat - self._every
            if late < self._patience:
                self._named = False
            else:
                self._name(late)

    def _name(self, late: float) -> None:
        frame = sys._current_frames().get(self._watched)
        plugin = self._blame.of_frame(frame)
        if not self._named and frame is not None:
            self._named = True
            where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            self._log.error(
                "the event loop stands still: nobody is served",
                held_by=plugin or "no plugin",
                where=where,
                seconds=round(late),
            )
        if late > self._longest and plugin:
            self._log.error("interrupted", held_by=plugin, seconds=round(late))
            thread, error = ctypes.c_ulong(self._watched), ctypes.py_object(Blocked)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, error)
