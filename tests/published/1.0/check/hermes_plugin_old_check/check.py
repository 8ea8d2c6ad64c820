"""The check that `hermes doctor` runs."""

from __future__ import annotations

import shutil

from hermes import Check, Finding, PluginContext


class RoomCheck(Check):
    """Looks how much room is left beneath the home folder."""

    def __init__(self, context: PluginContext) -> None:
        self._home = context.paths.home
        self._settings = context.settings

    async def check(self) -> tuple[Finding, ...]:
        free = shutil.disk_usage(self._home).free // 1_000_000
        said = f"{free} MB are free beneath {self._home}"
        mend = "make room: `hermes sessions` deletes what is old, cache/ may go at any time"
        if free < self._settings.fail:
            return (Finding("error", said, mend),)
        if free < self._settings.warn:
            return (Finding("warning", said, mend),)
        return (Finding("ok", said),)
