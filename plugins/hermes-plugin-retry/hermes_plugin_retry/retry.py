"""Waits and asks the model again after a failure that may pass (pain point 30).

What may pass was decided where the failure happened (`Failure.retryable`). A time that the vendor
asked for (Retry-After) is kept by every conversation that uses the model, not only by the one that
was told: no request is made before it is over.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import msgspec

from hermes import (
    Failed,
    Failure,
    Middleware,
    ModelRequest,
    ModelResponse,
    Next,
    Notice,
    PluginContext,
    Stage,
)
from hermes_plugin_retry.settings import Settings

LIMIT = 256
"""Models whose asked-for pauses are remembered. One that is forgotten is asked, and says so."""


class Retry(Middleware):
    """Tries a model call again, unless text went out that cannot be taken back."""

    stage = Stage.RETRY

    def __init__(
        self,
        context: PluginContext,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.settings: Settings = context.settings or Settings()
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._pauses: dict[str, tuple[float, Failure]] = {}
        """Model to the time before which its vendor wants no request, and the failure saying so."""

    async def model(
        self, request: ModelRequest, call_next: Next[ModelRequest, ModelResponse]
    ) -> ModelResponse:
        waits = 0
        while True:
            failure = self._paused(request.spec.model)
            called = failure is None
            if failure is None:
                try:
                    return await call_next(request)
                except Failed as failed:
                    failure = failed.failure
                    self._pause(request.spec.model, failure)
            if waits == self.settings.retries or not self._may_help(failure, request):
                raise Failed(failure)
            waits += 1
            await self._wait(request, failure, waits)
            if called:
                request = request.again(failure.message)

    def _may_help(self, failure: Failure, request: ModelRequest) -> bool:
        asked = failure.retry_after or 0.0
        return failure.retryable and not request.committed and asked <= self.settings.longest

    async def _wait(self, request: ModelRequest, failure: Failure, number: int) -> None:
        seconds = self._seconds(failure, number)
        if seconds > self.settings.notice:
            again = f"Trying again in {seconds:.0f} s ({number} of {self.settings.retries})."
            request.emit(Notice(f"{failure.message.rstrip('. ')}. {again}"))
        await self._sleep(seconds)

    def _seconds(self, failure: Failure, number: int) -> float:
        """Give how long to wait before try *number*: never less than the vendor asked for."""
        settings = self.settings
        doubled = min(settings.base * 2.0 ** (number - 1), settings.cap)
        seconds = failure.retry_after or doubled
        return seconds + self._chance() * settings.jitter * min(seconds, settings.cap)

    # -- what vendors asked for ---------------------------------------------------------------

    def _pause(self, model: str, failure: Failure) -> None:
        if not failure.retryable or not failure.retry_after:
            return
        until = self._clock() + failure.retry_after
        self._pauses.pop(model, None)
        self._pauses[model] = until, failure
        if len(self._pauses) > LIMIT:
            del self._pauses[next(iter(self._pauses))]

    def _paused(self, model: str) -> Failure | None:
        """Say why *model* must not be called now, with what is left to wait; None where it may."""
        until, failure = self._pauses.get(model, (0.0, None))
        left = until - self._clock()
        if failure is None or left <= 0:
            self._pauses.pop(model, None)
            return None
        return msgspec.structs.replace(failure, retry_after=left)
