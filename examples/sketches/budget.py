"""A budget middleware: a conversation that used its tokens answers no more."""

from __future__ import annotations

import msgspec

from hermes import Middleware, Next, PluginContext, Stage, Turn, TurnResult


class Settings(msgspec.Struct, frozen=True):
    """What a conversation may use."""

    tokens: int = 200_000
    """Input and output together."""


class Budget(Middleware):
    """Counts after each turn, and refuses before the next."""

    stage = Stage.GUARD

    def __init__(self, context: PluginContext) -> None:
        self._state = context.state
        self._settings: Settings = context.settings

    async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
        session = turn.input.session.id
        used: int = await self._state.get("used", scope="session", of=session) or 0
        if used >= self._settings.tokens:
            return TurnResult(
                "blocked", f"This conversation used {used} tokens. /new begins another."
            )
        result = await call_next(turn)
        used += result.usage.input + result.usage.output
        await self._state.set("used", used, scope="session", of=session)
        return result
