"""Which models are left alone for a while, and why.

The first failure costs a model nothing: the next message tries it again. From the second in a row
it rests, longer each time, so that a dead model does not cost a call per message. The blame is the
model's alone, and for a request that it found wrong it is this conversation's alone: one that a
vendor cannot read says nothing about the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from hermes import Failure

LIMIT = 512
"""Models (and conversations) remembered. One that is forgotten is tried once more."""


class Rest(NamedTuple):
    """Failures in a row of one model."""

    failures: int
    at: float
    """When the last was heard of."""
    until: float
    """When it may be asked again."""
    why: Failure


class Rests:
    """Remembers who failed. Times are of *clock*, in seconds."""

    def __init__(
        self, rest: float, longest: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rest, self._longest, self._clock = rest, longest, clock
        self._kept: dict[tuple[str, str], Rest] = {}

    def why(self, model: str, session: str) -> Failure | None:
        """Give the failure for which *model* rests now, or None."""
        for key in ((model, ""), (model, session)):
            rest = self._kept.get(key)
            if rest is not None and rest.until > self._clock():
                return rest.why
        return None

    def failed(self, model: str, session: str, failure: Failure, began: float) -> None:
        """Count a failure of a call that began at *began*.

        Calls that were under way when the last failure was counted met the same trouble: they do
        not count again, or a busy moment would put a model to rest for an hour.
        """
        key = (model, session if failure.kind == "bad_request" else "")
        before = self._kept.pop(key, None)
        failures = 1 if before is None else before.failures + (began >= before.at)
        doubled = min(self._rest * 2.0 ** (failures - 2), self._longest) if failures > 1 else 0.0
        until = self._clock() + (failure.retry_after or doubled)
        if before is not None:
            until = max(until, before.until)
        self._kept[key] = Rest(failures, self._clock(), until, failure)
        if len(self._kept) > LIMIT:
            del self._kept[next(iter(self._kept))]

    def answered(self, model: str, session: str) -> None:
        """Forget the failures of a model that answered."""
        self._kept.pop((model, ""), None)
        self._kept.pop((model, session), None)
