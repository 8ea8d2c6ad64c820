"""Tells the next turn which background processes ended since the last."""

from __future__ import annotations

from hermes import Middleware, Next, PluginContext, Turn, TurnResult
from hermes_plugin_shell.processes import Kept, load


class News(Middleware):
    """Adds a line per process that was started with ``notify_on_complete`` or is watched.

    What was told is kept under a name of its own: the processes' own record is written by those
    who watch them, at any time.
    """

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
        session = turn.input.session.id
        kept = await load(self._context, session)
        lines = {one.id: line for one in kept.values() if one.tell and (line := _line(one))}
        if not lines:
            return await call_next(turn)
        state = self._context.state
        told = await state.get("told", scope="session", of=session) or {}
        news = "\n".join(f"[{line}]" for id, line in lines.items() if told.get(id) != line)
        if not news:
            return await call_next(turn)
        context = f"{turn.input.context}\n{news}" if turn.input.context else news
        result = await call_next(turn.replace(context=context))
        await state.set("told", lines, scope="session", of=session)
        return result


def _line(kept: Kept) -> str:
    what = f"background process {kept.id} ({kept.command})"
    if kept.lost:
        return f"{what} ended when Hermes stopped"
    if kept.exit_code is not None:
        return f"{what} ended with exit code {kept.exit_code}"
    return f"{what} wrote: {kept.seen}" if kept.seen else ""
