"""Stops a conversation that fails again and again in the same way (architecture §6.1).

A model id that the vendor answers with HTTP 400 will be answered so tomorrow, too. Each message to
such a conversation would cost a call, and whatever the person, a timer or a bot sends next would
cost another. After three such failures in a row the conversation is answered here, without a call,
until something changes that could help.
"""

from __future__ import annotations

from typing import TypeAlias

from hermes import Middleware, Next, PluginContext, Stage, Turn, TurnResult

THRESHOLD = 3
"""Failures in a row after which nothing is tried any more."""
LIMIT = 512
"""Conversations remembered. One that is forgotten costs three more calls, and no harm."""
BLOCKED = (
    "⚠️ This session has failed {count} times in a row with a non-retryable error."
    " Use /reset to start a new session."
)
ANSWERED = frozenset({"refused", "content_filter"})
"""Kinds of failure that are a plugin's or a vendor's answer to this message, not to the next."""

Key: TypeAlias = tuple[str, str, str]


class FailureTracking(Middleware):
    """Counts, per conversation, consecutive failures that trying again cannot mend."""

    stage = Stage.GUARD

    def __init__(self, context: PluginContext) -> None:
        self._log = context.log
        self._failures: dict[Key, int] = {}

    async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
        key = key_of(turn)
        count = self._failures.get(key, 0)
        if count >= THRESHOLD:
            return TurnResult("blocked", BLOCKED.format(count=count), model=turn.input.model)
        result = await call_next(turn)
        if result.status == "ok":
            self._failures.pop(key, None)
        elif is_permanent(result):
            self._count(key)
        return result

    def _count(self, key: Key) -> None:
        count = self._failures.pop(key, 0) + 1
        self._failures[key] = count  # at the end: the first in the table failed longest ago
        if len(self._failures) > LIMIT:
            del self._failures[next(iter(self._failures))]
        if count == THRESHOLD:
            self._log.warning("conversation blocked", session=key[0], model=key[1], failures=count)


def key_of(turn: Turn) -> Key:
    """Say what has failed. Another conversation, model or configuration is another key, so that
    ``/reset``, ``/model`` and a mended config file need no event to be believed.
    """
    return turn.input.session.id, turn.input.model, turn.input.config_revision


def is_permanent(result: TurnResult) -> bool:
    """Whether the same turn would fail the same way again."""
    failure = result.failure
    if result.status != "failed" or failure is None:
        return False
    return not failure.retryable and failure.kind not in ANSWERED
