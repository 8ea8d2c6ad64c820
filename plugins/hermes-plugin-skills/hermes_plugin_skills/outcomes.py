"""Counts how turns ended that read a skill."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from hermes import (
    Finished,
    Middleware,
    Next,
    Notice,
    PluginContext,
    Record,
    Stage,
    Turn,
    TurnResult,
)
from hermes_plugin_skills import reading
from hermes_plugin_skills.library import Library

OWN = frozenset({"skills_list", "skill_view", "skill_manage"})

_EXIT = re.compile(r"\[exit (?!0\b)\d+(?!: (no match|they differ|false))[^\]\n]*\]\Z")


class Outcomes(Middleware):
    """Sees each turn once. A turn helped by a skill ends well, without a tool's error after it was
    read; a turn that did not is one in which the skill *failed in use*.
    """

    stage = Stage.BOOKKEEPING

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._library = Library(context)
        self._counting = asyncio.Lock()
        self._beginning = 0
        """Conversations that nobody has counted yet."""
        self._unused: list[str] = []

    async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
        session, name = turn.input.session, reading.chosen(turn.input.text)
        if self._library.keeps and not session.parent:  # nobody reads the index in a trial, say
            if not session.head:
                await self._began(turn)
            if name:
                await asyncio.to_thread(self._library.usage.used, name, turn.input.id)
        result = await call_next(turn)
        if name or used_tools(result):
            await self._ended(turn, result)
        return result

    async def _began(self, turn: Turn) -> None:
        """Count a conversation that begins; tell an owner of skills that are not used.

        Many that begin at once are counted together: the folder is looked through once for all that
        came since it was last.
        """
        self._beginning += 1
        async with self._counting:
            count, self._beginning = self._beginning, 0
            if count:
                self._unused = await asyncio.to_thread(self._count, count)
        if self._unused and turn.input.authority.role == "owner":
            names = ", ".join(self._unused)
            turn.emit(Notice(f"Not used until you say so: {names} (hermes skills trust NAME)"))

    def _count(self, conversations: int) -> list[str]:
        listed = self._library.adopt(conversations)
        return [each.skill.name for each in listed if each.state in ("untrusted", "changed")]

    async def _ended(self, turn: Turn, result: TurnResult) -> None:
        id, session = turn.input.id, turn.input.session
        names = await asyncio.to_thread(self._library.usage.opened, id)
        if not names:
            return
        records = await self._context.runtime.store.records(session.id, after=session.head)
        well = None if result.status == "cancelled" else result.status == "ok" and clean(records)
        await asyncio.to_thread(self._library.usage.ended, id, well=well)


def used_tools(result: TurnResult) -> bool:
    """Whether a turn can have called tools: it ended well with its first answer only without."""
    return result.status != "ok" or result.steps != 1


def clean(records: Iterable[Record]) -> bool:
    """Whether no tool gave an error after a skill was read (or chosen, before everything else)."""
    results = [record.body for record in records if isinstance(record.body, Finished)]
    views = [n for n, each in enumerate(results) if each.tool == "skill_view"]
    after = results[views[0] + 1 :] if views else results
    return not any(troubled(each) for each in after if each.tool not in OWN)


def troubled(result: Finished) -> bool:
    """Whether a call went wrong; a command, by the exit code that the last line of its output says,
    but for those that only answer a question.
    """
    return result.is_error or bool(_EXIT.search(result.text.rstrip()))
