"""In whose call this process died: the third time, that plugin is disabled (§4.3).

A crash (SIGSEGV and its like, ``os._exit``) leaves the stack in a note beside the running gateway.
The next start reads it. Who was killed from outside, or by a lack of memory, leaves an empty note:
that is nobody's fault here.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermes.blame import Blame
from hermes.files import replace_file
from hermes.identity import process_started

MOST = 3
REMEMBERED = 7 * 86_400.0
"""Seconds for which a death counts."""
_FILE = re.compile(r'^  File "(.*)", line \d+ in ', re.MULTILINE)


class Deaths:
    """The deaths of the processes of one home. *folder* is its folder for what runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counted = folder / "deaths.json"

    def settle(self, blame: Blame) -> dict[str, int]:
        """Count the deaths since the last start: plugin to how often it was in its call, of late.

        Only plugins that it happened to since the last start are in it.
        """
        counted: dict[str, list[float]] = self._read()
        since: dict[str, int] = {}
        for note in self._folder.glob("died-*"):
            pid, _, started = note.name.removeprefix("died-").partition("-")
            if process_started(int(pid)) == started:
                continue  # it lives
            said = note.read_text("utf-8", "replace")
            note.unlink(missing_ok=True)
            plugin = blame.of_files(_FILE.findall(said))
            if plugin:
                counted.setdefault(plugin, []).append(time.time())
                since[plugin] = len(counted[plugin])
        if since:
            replace_file(self._counted, json.dumps(counted), mode=0o600)
        return since

    def forget(self, plugin: str) -> None:
        """Count anew: it was disabled for what it did."""
        left = {name: times for name, times in self._read().items() if name != plugin}
        replace_file(self._counted, json.dumps(left), mode=0o600)

    def _read(self) -> dict[str, list[float]]:
        try:
            found: dict[str, list[float]] = json.loads(self._counted.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        since = time.time() - REMEMBERED
        young = {name: [each for each in times if each > since] for name, times in found.items()}
        return {name: times for name, times in young.items() if times}

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Let this process leave a note if it dies within the block."""
        pid = os.getpid()
        note = self._folder / f"died-{pid}-{process_started(pid)}"
        leave: Any = os._exit
        with note.open("w", encoding="utf-8") as file:

            def leaving(status: int) -> None:
                if os.getpid() == pid:  # not a child that was forked
                    faulthandler.dump_traceback(file, all_threads=False)
                leave(status)

            faulthandler.enable(file, all_threads=False)
            os._exit = leaving  # type: ignore[assignment]
            try:
                yield
            finally:
                os._exit = leave
                faulthandler.disable()
        note.unlink(missing_ok=True)
