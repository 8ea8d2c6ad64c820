"""Asking a person, from any surface, across a restart, and spending each answer once (§7.1).

A question is a record and an item of the durable queue ``questions``; the item's one end is its
answer. So whoever answers, in whatever process, is first or gets told that it is too late.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING

import msgspec

from hermes.errors import Conflict
from hermes.events import Answered, Asked
from hermes.killpoint import reach
from hermes.records import QuestionAnswered, QuestionPut
from hermes.store import Enqueue, SetState, Settle, Store
from hermes.turn import NOBODY, Ask, Question, Reply

if TYPE_CHECKING:
    from hermes.provider import Emit
    from hermes.transcript import Transcript

QUEUE = "questions"
POLL = 1.0
"""Seconds between looks for an answer that another process took."""


class Questions:
    """The questions that wait for an answer in this process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, asyncio.Future[Reply]] = {}

    def asker(
        self,
        transcript: Transcript,
        turn: str,
        emit: Emit,
        *,
        can_ask: bool,
        cancelled: asyncio.Event,
    ) -> Ask:
        """Make the `Ask` of one turn. *cancelled* tells a stop, which ends its questions, from the
        end of the process, after which the resumed turn asks them again.
        """
        spent: set[str] = set()

        async def ask(question: Question) -> Reply:
            if not can_ask:
                return NOBODY
            identity = _identity(transcript.session, turn, question, len(spent))
            open_turn = transcript.fold.turn
            if open_turn and identity in open_turn.answered and identity not in spent:
                spent.add(identity)
                before = open_turn.answered[identity]
                return Reply(before.choice, before.text, before.by)
            spent.add(identity)
            try:
                return await self._put(transcript, turn, identity, question, emit)
            except asyncio.CancelledError:
                if cancelled.is_set():
                    await asyncio.shield(self._end(identity, "cancelled"))
                raise

        return ask

    async def _put(
        self, transcript: Transcript, turn: str, identity: str, question: Question, emit: Emit
    ) -> Reply:
        until = int((time.time() + question.seconds) * 1e6)
        open_turn = transcript.fold.turn
        if open_turn is None or identity not in open_turn.asked:
            transcript.note(
                QuestionPut(
                    id=identity,
                    text=question.text,
                    choices=question.choices,
                    about=question.about,
                    purpose=question.purpose,
                    until=until,
                ),
                turn,
            )
        item = msgspec.json.encode(
            {
                "session": transcript.session,
                "text": question.text,
                "choices": question.choices,
                "purpose": question.purpose,
                "until": until,
            }
        )
        self._waiting[identity] = asyncio.get_running_loop().create_future()
        try:
            await transcript.commit((Enqueue(QUEUE, identity, item),))
            reach("question.put")
            emit(Asked(identity, question.text, question.choices, question.purpose, question.about))
            reply = await self._wait(identity, question.seconds)
        finally:
            self._waiting.pop(identity, None)
        transcript.note(
            QuestionAnswered(id=identity, choice=reply.choice, text=reply.text, by=reply.by), turn
        )
        await transcript.commit()
        reach("question.answered")
        emit(Answered(identity, reply.choice, reply.by))
        return reply

    async def _wait(self, identity: str, seconds: float) -> Reply:
        future = self._waiting[identity]
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                if await self._end(identity, "expired"):
                    return Reply("deny", "nobody answered in time")
            try:
                return await asyncio.wait_for(asyncio.shield(future), max(0.01, min(POLL, left)))
            except TimeoutError:
                kept = await self._store.state("process", "", f"answer/{identity}")
                if kept is not None:
                    return msgspec.json.decode(kept, type=Reply)

    async def _end(self, identity: str, end: str) -> bool:
        try:
            await self._store.commit((Settle(QUEUE, identity, end),))
        except Conflict:
            return False
        return True

    async def answer(self, identity: str, reply: Reply) -> bool:
        """Answer a question of this or another process. False: unknown, expired, or answered."""
        waiting = self._waiting.get(identity)
        if waiting is None or waiting.done():
            open_items = {item.key: item for item in await self._store.pending(QUEUE)}
            if waiting is not None or identity not in open_items:
                return False
        until = int((time.time() + 3600) * 1e6)
        kept = SetState("process", "", f"answer/{identity}", msgspec.json.encode(reply), until)
        try:
            await self._store.commit((Settle(QUEUE, identity, f"answered:{reply.choice}"), kept))
        except Conflict:
            return False
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)
        return True


def _identity(session: str, turn: str, question: Question, number: int) -> str:
    """The same question of the same call has the same id in every life of its turn."""
    what = [session, turn, question.about, question.digest or question.text]
    if not question.about:  # two equal questions that no call tells apart
        what.append(str(number))
    return hashlib.sha256("\0".join(what).encode("utf-8", "replace")).hexdigest()[:16]
