"""Asks the next model of a chain when one fails (pain point 30).

It stands outside of retrying: a failure that may pass comes here when the retries are used up, any
other at once. The model that was asked for is tried first whenever it does not rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable

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
from hermes_plugin_fallback import settings
from hermes_plugin_fallback.rests import Rests

FILTERED = Failure("content_filter", "The model's vendor filtered this answer.")


class Fallback(Middleware):
    """Sends a request to another model when the one it was meant for fails."""

    stage = Stage.REROUTE

    def __init__(
        self, context: PluginContext, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings.read(context.config)
        self._clock = clock
        self._rests = Rests(self.settings.rest, self.settings.longest, clock)

    async def model(
        self, request: ModelRequest, call_next: Next[ModelRequest, ModelResponse]
    ) -> ModelResponse:
        asked, session = request.spec.model, request.spec.session
        models = list(dict.fromkeys((asked, *self.settings.models)))
        if len(models) == 1:
            return await call_next(request)
        awake = [model for model in models if self._rests.why(model, session) is None]
        failures: dict[str, Failure] = {}
        for model in awake or models:
            request = _meant_for(model, request, failures)
            began = self._clock()
            try:
                response = await call_next(request)
                if response.stop == "filter" and self.settings.filtered:
                    raise Failed(FILTERED)
            except Failed as failed:
                failures[model] = failed.failure
                if not self._helps_elsewhere(failed.failure, model == asked):
                    raise
                if failed.failure.kind not in ("content_filter", "context_overflow"):
                    self._rests.failed(model, session, failed.failure, began)
                if request.committed:
                    raise
                continue
            self._rests.answered(model, session)
            if model == asked:
                return response
            return msgspec.structs.replace(response, fallback=True)
        raise self._exhausted(request, asked, failures)

    def _helps_elsewhere(self, failure: Failure, was_asked: bool) -> bool:
        """Whether another model might answer the same request."""
        match failure.kind:
            case "refused":  # a plugin's no is a no to every model
                return False
            case "context_overflow":  # compressing is for whoever stands outside of us
                return not was_asked
            case "content_filter":
                return self.settings.filtered or not was_asked
        return True

    def _exhausted(self, request: ModelRequest, asked: str, failures: dict[str, Failure]) -> Failed:
        """Make the failure to show: that of the model that was asked for."""
        others = [f"{model}: {said.message}" for model, said in failures.items() if model != asked]
        if others:
            request.emit(Notice(f"No fallback answered. {' '.join(others)}"))
        why = failures.get(asked) or self._rests.why(asked, request.spec.session)
        return Failed(why or next(iter(failures.values())))


def _meant_for(model: str, request: ModelRequest, failures: dict[str, Failure]) -> ModelRequest:
    """Make the request to *model*, and tell the person why the one before it did not answer."""
    if model == request.spec.model:
        return request
    if not failures:
        return request.replace(model=model)
    failed, why = list(failures.items())[-1]
    request.emit(Notice(f"{failed}: {why.message}"))
    return request.again(why.message, model=model)
