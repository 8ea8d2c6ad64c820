"""Shows a running command's output as it comes, a few times a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from hermes import ToolCall, ToolProgress
from hermes_plugin_shell.text import plain

PAUSE = 0.2
"""Seconds between two reports."""
SHOWN = 2_000
"""Bytes of one report: a person cannot read more."""


class Progress:
    """Gathers output and emits `ToolProgress` at most every `PAUSE` seconds.

    What comes in the pause after the last report is not shown: the result follows.
    """

    def __init__(self, call: ToolCall, clock: Callable[[], float] = time.monotonic) -> None:
        self._call = call
        self._clock = clock
        self._last = float("-inf")
        self._waiting = b""

    def feed(self, data: bytes) -> None:
        self._waiting = (self._waiting + data)[-SHOWN:]
        now = self._clock()
        if now - self._last < PAUSE:
            return
        self._last = now
        text = plain(self._waiting)
        self._waiting = b""
        if text:
            self._call.emit(ToolProgress(self._call.request.id, text))
