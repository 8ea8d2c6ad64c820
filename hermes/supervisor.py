"""Keeping platforms and services running: restarted with capped back-off, for ever (§4.3)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias

import msgspec

from hermes.context import Log
from hermes.errors import Failed, one_line

State: TypeAlias = Literal[
    "starting", "running", "degraded", "waiting", "paused", "stopped", "not configured"
]
STEADY = 60.0
"""Seconds after which a run counts as good and the back-off begins anew."""


class Health(msgspec.Struct):
    """How one supervised part is."""

    state: State = "starting"
    error: str = ""
    """Why it is not running, or why it ran before last."""
    restarts: int = 0
    since: float = 0.0
    """Unix seconds of its last start."""


class Supervised:
    """One long-running part and the task that keeps it running."""

    def __init__(
        self,
        name: str,
        run: Callable[[], Awaitable[None]],
        log: Log,
        *,
        first: float = 1.0,
        most: float = 60.0,
    ) -> None:
        self.name = name
        self.health = Health()
        self._run = run
        self._log = log
        self._first, self._most = first, most
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, and go on until `stop`."""
        self.health.error = ""
        self._begin()

    def _begin(self) -> None:
        self._task = asyncio.ensure_future(self._keep())
        self._task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        """Go on where somebody else than `stop` ended the task that keeps it running."""
        if not task.cancelled() or task is not self._task:
            return
        self._restarting("somebody ended its task", self._first)
        asyncio.get_running_loop().call_later(self._first, self._begin_again, task)

    def _begin_again(self, before: asyncio.Task[None]) -> None:
        if self._task is before:  # nobody stopped or started it meanwhile
            self._begin()

    async def pause(self) -> None:
        """End it until somebody starts it again."""
        await self.stop()
        self.health.state, self.health.error = "paused", ""

    async def stop(self, seconds: float = 5.0) -> None:
        """End it; it has *seconds* to clean up."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait((task,), timeout=seconds)
        if self.health.state != "not configured":
            self.health.state = "stopped"

    async def _keep(self) -> None:
        wait = self._first
        while True:
            began = time.monotonic()
            self.health.state, self.health.since = "running", time.time()
            try:
                await self._run()
                self.health.error = "it ended by itself"
            except Failed as failed:
                self.health.error = failed.failure.message
                if failed.failure.kind == "auth":
                    self.health.state = "stopped"
                    self._log.error("stopped: not let in", part=self.name, error=self.health.error)
                    return
            except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
                self.health.error = one_line(error)
            if time.monotonic() - began > STEADY:
                wait = self._first
            self._restarting(self.health.error, wait)
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))
            wait = min(self._most, wait * 2)

    def _restarting(self, why: str, seconds: float) -> None:
        self.health.state, self.health.error = "waiting", why
        self.health.restarts += 1
        self._log.warning("restarting", part=self.name, error=why, seconds=seconds)
