"""Middleware at the point `turn`: it sees each turn before it runs, and its result after."""

from __future__ import annotations

import time

from hermes import Middleware, Next, PluginContext, Stage, Turn, TurnResult

MINUTE = 60.0
CONVERSATIONS = 512
"""How many are remembered. One that is forgotten may go on at once, which does no harm."""


class Pace(Middleware):
    """Answers a conversation that is too fast without running its turn.

    One object serves every conversation of the process, many of them at the same time.
    """

    stage = Stage.GUARD  # it may refuse: outermost

    def __init__(self, context: PluginContext) -> None:
        self.clock = time.monotonic
        """Gives seconds; a test passes its own."""
        self._most: int = context.settings.turns
        self._began: dict[str, list[float]] = {}

    async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
        wait = self._wait(turn.input.session.id)
        if wait > 0:
            notice = f"⏳ {self._most} messages a minute are enough. Try again in {wait:.0f} s."
            return TurnResult("blocked", notice, model=turn.input.model)
        return await call_next(turn)

    def _wait(self, session: str) -> float:
        """Count a turn of this conversation, or give the seconds until it may have one."""
        now = self.clock()
        began = [at for at in self._began.pop(session, []) if now - at < MINUTE]
        wait = MINUTE - (now - began[0]) if len(began) >= self._most else 0.0
        if not wait:
            began.append(now)
        self._began[session] = began  # at the end: the first in the table was quiet longest
        if len(self._began) > CONVERSATIONS:
            del self._began[next(iter(self._began))]
        return wait
