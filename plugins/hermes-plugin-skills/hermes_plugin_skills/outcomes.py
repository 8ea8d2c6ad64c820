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

    async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
        for notice in await asyncio.to_thread(self._began, turn):
            turn.emit(Notice(notice))
        result = await call_next(turn)
        await self._ended(turn, result)
        return result

    def _began(self, turn: Turn) -> list[str]:
        """Count a conversation that begins, and a skill that a person chose; give what an owner
        should know of skills that are not used.
        """
        session, library = turn.input.session, self._library
        if session.parent or not library.keeps:  # nobody looks through the index in a trial, say
            return []
        notices: list[str] = []
        if not session.head:
            library.adopt()
            if turn.input.authority.role == "owner":
                names = [e.skill.name for e in library.all() if e.state in ("untrusted", "changed")]
                said = f"Not used until you say so: {', '.join(names)} (hermes skills trust NAME)"
                notices = [said] if names else []
        if name := reading.chosen(turn.input.text):
            library.usage.used(name, turn.input.id)
        return notices

    async def _ended(self, turn: Turn, result: TurnResult) -> None:
        id, session = turn.input.id, turn.input.session
        names = await asyncio.to_thread(self._library.usage.opened, id)
        if not names:
            return
        records = await self._context.runtime.store.records(session.id, after=session.head)
        well = None if result.status == "cancelled" else result.status == "ok" and clean(records)
        await asyncio.to_thread(self._library.usage.ended, id, well=well)


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
