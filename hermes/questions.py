"""Asking a person, from any surface, across a restart, and spending each answer once (§7.1).

A question is a record and an item of the durable queue ``questions``; the item's one end is its
answer. So whoever answers, in whatever process, is first or gets told that it is too late.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Set
from typing import TYPE_CHECKING, Any

import msgspec

from hermes.errors import Conflict
from hermes.events import Answered, Asked
from hermes.identity import now
from hermes.killpoint import reach
from hermes.records import QuestionAnswered, QuestionPut
from hermes.session import Authority
from hermes.store import Enqueue, SetState, Settle, Store
from hermes.turn import NOBODY, Ask, Question, Reply

if TYPE_CHECKING:
    from hermes.provider import Emit
    from hermes.transcript import Transcript

QUEUE = "questions"
POLL = 1.0
"""Seconds between looks for an answer that another process took."""
EXPIRED = Reply("deny", "nobody answered in time")


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
        authority: Authority,
        cancelled: asyncio.Event,
    ) -> Ask:
        """Make the `Ask` of one turn. *cancelled* tells a stop, which ends its questions, from the
        end of the process, after which the resumed turn asks them again.
        """
        spent: set[str] = set()

        async def ask(question: Question) -> Reply:
            if not _somebody(authority, question):
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
        open_turn = transcript.fold.turn
        before = open_turn.asked.get(identity) if open_turn else None  # in another life of the turn
        until = before.until if before else 0
        until = until or now() + int(question.seconds * 1e6)
        if before is None:
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
            reply = await self._kept(identity) if before else None
            if reply is None and now() < until:
                emit(
                    Asked(
                        identity, question.text, question.choices, question.purpose, question.about
                    )
                )
            reply = reply or await self._wait(identity, until)
        finally:
            self._waiting.pop(identity, None)
        transcript.note(
            QuestionAnswered(id=identity, choice=reply.choice, text=reply.text, by=reply.by), turn
        )
        await transcript.commit()
        reach("question.answered")
        emit(Answered(identity, reply.choice, reply.by))
        return reply

    async def _wait(self, identity: str, until: int) -> Reply:
        future = self._waiting[identity]
        while True:
            left = (until - now()) / 1e6
            if left <= 0 and await self._end(identity, "expired"):
                return EXPIRED
            try:
                return await asyncio.wait_for(asyncio.shield(future), max(0.01, min(POLL, left)))
            except TimeoutError:
                if (kept := await self._kept(identity)) is not None:
                    return kept
                if left <= 0:
                    return EXPIRED

    async def _kept(self, identity: str) -> Reply | None:
        """Give the answer that another process, or this one's earlier life, took."""
        kept = await self._store.state("process", "", f"answer/{identity}")
        return None if kept is None else msgspec.json.decode(kept, type=Reply)

    async def pending(self, sessions: Set[str]) -> set[str]:
        """Give the ids of the questions of these conversations that wait, here or for a resume."""
        items = await self._store.pending(QUEUE)
        return {item.key for item in items if _item(item.item)["session"] in sessions}

    async def expire(self, ids: Iterable[str]) -> None:
        """End questions of a turn that is over and asks them no more."""
        for identity in ids:
            await self._end(identity, "expired")

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
            if _item(open_items[identity].item)["until"] <= now():
                await self._end(identity, "expired")
                return False
        until = now() + 3_600_000_000
        kept = SetState("process", "", f"answer/{identity}", msgspec.json.encode(reply), until)
        try:
            await self._store.commit((Settle(QUEUE, identity, f"answered:{reply.choice}"), kept))
        except Conflict:
            return False
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)
        return True


def _somebody(authority: Authority, question: Question) -> bool:
    """Whether anybody who may answer sees it: what a guest does is not theirs to allow (§7.1)."""
    alone = authority.role == "guest" and not authority.group
    return authority.can_ask and not (question.purpose == "approval" and alone)


def _item(item: bytes) -> dict[str, Any]:
    return msgspec.json.decode(item, type=dict[str, Any])


def _identity(session: str, turn: str, question: Question, number: int) -> str:
    """The same question of the same call has the same id in every life of its turn."""
    what = [session, turn, question.about, question.digest or question.text]
    if not question.about:  # two equal questions that no call tells apart
        what.append(str(number))
    return hashlib.sha256("\0".join(what).encode("utf-8", "replace")).hexdigest()[:16]
