"""Sees each turn end, and has what is worth it looked back at, beside everything else."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from hermes import (
    Answer,
    Finished,
    HermesError,
    Middleware,
    Next,
    Notice,
    PluginContext,
    Record,
    Stage,
    ToolUse,
    Turn,
    TurnResult,
    one_line,
)
from hermes_plugin_nudges.due import Due, done, taken, waiting
from hermes_plugin_nudges.review import Reviews
from hermes_plugin_nudges.settings import Settings
from hermes_plugin_skills import outcomes, reading

TURNS = "turns"
"""State of a conversation: its messages since the last look back."""
WRITTEN = 5
"""The state is written for so many messages at a time: a process that dies loses fewer."""
COUNTED = 500
"""Conversations whose count is at hand."""


class Nudges(Middleware):
    """A turn is never delayed: what is due goes into a durable queue, and one task of this object
    works through it, one at a time, while nobody waits for it. A process that ends leaves the rest
    to the next one.
    """

    stage = Stage.BOOKKEEPING

    def __init__(self, context: PluginContext) -> None:
        self.settings: Settings = context.settings or Settings()
        self._context = context
        self._worker: asyncio.Task[None] | None = None
        self._more = asyncio.Event()
        self._news: list[str] = []
        self._looked = False
        self._turns: OrderedDict[str, int] = OrderedDict()

    async def open(self) -> None:
        """Nothing yet: the first turn's end begins the work."""

    async def close(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait((self._worker,), timeout=4)

    async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
        if self._context.incognito:
            return await call_next(turn)
        if self._news and not turn.input.session.parent and turn.input.authority.role == "owner":
            turn.emit(Notice(" ".join(self._news)))
            self._news.clear()
        result = await call_next(turn)
        if self.settings.enabled and not turn.input.session.parent:
            due = await self._due(turn, result)
            if due is not None:
                await self._context.runtime.store.commit((due.change(),))
            if due is not None or not self._looked:
                self._looked = True
                self.wake()
        return result

    def wake(self) -> None:
        """Have what waits worked through."""
        self._more.set()
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())

    async def _due(self, turn: Turn, result: TurnResult) -> Due | None:
        """Say whether this turn is worth a look back, and why."""
        given = turn.input
        if result.status == "cancelled" or given.authority.role == "guest":
            return None
        records: Sequence[Record] = ()
        if outcomes.used_tools(result):
            records = await self._context.runtime.store.records(
                given.session.id, after=given.session.head
            )
        failed = used(records, given.text) if not outcomes.clean(records) else ()
        calls = sum(isinstance(record.body, Finished) for record in records)
        turns = await self._count(given.session.id)
        why = [
            name
            for name, so in (
                ("failed", bool(failed)),
                ("complex", calls >= self.settings.complex and result.status == "ok"),
                ("turns", turns >= self.settings.every),
            )
            if so
        ]
        if not why:
            return None
        await self._set(given.session.id, 0)
        return Due(
            session=given.session.id,
            turn=given.id,
            why=tuple(why),
            failed=failed,
            person=given.authority.memory,
            role=given.authority.role,
            group=given.authority.group,
            model=result.model or given.model,
            tokens=result.usage.input + result.usage.output,
        )

    async def _count(self, session: str) -> int:
        """Count one more message, and give how many there are since the last look back."""
        kept = self._turns.get(session)
        if kept is None:
            kept = int(await self._context.state.get(TURNS, scope="session", of=session) or 0)
        if (kept + 1) % WRITTEN == 0:
            await self._set(session, kept + 1)
        else:
            self._remember(session, kept + 1)
        return kept + 1

    async def _set(self, session: str, turns: int) -> None:
        self._remember(session, turns)
        await self._context.state.set(TURNS, turns, scope="session", of=session)

    def _remember(self, session: str, turns: int) -> None:
        self._turns[session] = turns
        self._turns.move_to_end(session)
        while len(self._turns) > COUNTED:
            self._turns.popitem(last=False)

    async def _work(self) -> None:
        """Work through what waits, until there is nothing more."""
        try:
            while self._more.is_set():
                self._more.clear()
                await asyncio.sleep(self.settings.delay)
                reviews = Reviews(self._context)
                for due in await waiting(self._context.runtime.store):
                    if not await asyncio.to_thread(reviews.affordable):
                        self._context.log.info("looking back waits: the day's tokens are spent")
                        return
                    self._news += await look_back(reviews, due)
        except (HermesError, OSError) as error:
            self._context.log.warning("looking back stopped", error=one_line(error))


async def look_back(reviews: Reviews, due: Due) -> list[str]:
    """Look back at one that waits; what a model or a plugin does wrong ends it, and is logged."""
    store = reviews.runtime.store
    owner = await taken(store, due)
    if not owner:
        return []
    end = ""
    try:
        lines = await reviews.run(due)
        await reviews.tidy()
        end = "done"
        return lines
    except (Exception, SystemExit) as error:  # noqa: BLE001  isolation: a task's root
        reviews.context.log.warning("a look back failed", error=one_line(error))
        end = "failed"
        return []
    finally:
        await asyncio.shield(done(store, due, owner, end))


def used(records: Iterable[Record], text: str) -> tuple[str, ...]:
    """Name the skills that a turn read."""
    names = [reading.chosen(text)]
    answers = (record.body for record in records if isinstance(record.body, Answer))
    names += [
        _name(part.arguments)
        for answer in answers
        for part in answer.parts
        if isinstance(part, ToolUse) and part.name == "skill_view"
    ]
    return tuple(dict.fromkeys(filter(None, names)))


def _name(arguments: str) -> str:
    try:
        given = json.loads(arguments or "{}")
    except ValueError:
        return ""
    return str(given.get("name") or "") if isinstance(given, dict) else ""
