"""What memories have yet to learn (§5.6): a turn's end puts it into the journal's queue of each
memory, and a task for each works through its own, after the reply and beside everything else.

So a burst loses nothing and costs no memory, one that hangs holds up itself alone, and what a
process leaves behind is learned by the next. A turn whose process died while it was being learned
may be learned twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from hermes.errors import Conflict, StoreError, one_line
from hermes.identity import is_dead, new_owner, now
from hermes.memory import Memory
from hermes.messages import Text
from hermes.records import Answer, Ended, UserSaid
from hermes.session import Authority, PersonId, Role, SessionId, SessionInfo
from hermes.store import Change, Enqueue, Item, Lease, Settle
from hermes.turn import NOBODY, Question, Reply, Turn, TurnInput, TurnResult

if TYPE_CHECKING:
    from hermes.runtime import Runtime

RECORD = 60.0
"""Seconds a memory has to record one turn."""
PAGE = 100
"""Turns, or records of one, that are read at a time."""
BEHIND = 60_000_000
"""Microseconds after which a turn that waits is late."""
CLOSING = 5.0
"""Seconds that a process which ends waits for what is not learned yet."""


class Lesson(msgspec.Struct, frozen=True, omit_defaults=True):
    """A turn that a memory is to learn: where it lies, and whose it is."""

    session: SessionId
    turn: str
    owner: str
    """Process that learns it, while it lives."""
    after: int = 0
    """The turn's records come after this one."""
    surface: str = ""
    person: PersonId = ""
    role: Role = "user"
    group: bool = False
    shared: PersonId = ""


class Lessons:
    """One object per runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._owner = new_owner(runtime.surface)
        self._learners: dict[str, _Learner] = {}

    def of(
        self, memories: Mapping[str, Memory], turn: Turn, result: TurnResult, after: int
    ) -> tuple[Enqueue, ...]:
        """Give what is to be committed with a turn's end, so that *memories* learn of it."""
        names = [name for name, each in memories.items() if self._learns(each, turn, result)]
        if not names:
            return ()
        authority, id = turn.input.authority, turn.input.id
        lesson = Lesson(
            turn.input.session.id,
            id,
            self._owner,
            after,
            authority.surface,
            authority.person,
            authority.role,
            authority.group,
            authority.shared,
        )
        item = msgspec.json.encode(lesson)
        return tuple(Enqueue(_queue(name), id, item) for name in names)

    def _learns(self, memory: Memory, turn: Turn, result: TurnResult) -> bool:
        if type(memory).record is Memory.record:
            return False
        try:
            return memory.learns(turn, result)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            self._runtime.log.warning("memory failed to choose", error=one_line(error))
            return True

    def wake(self, memories: Mapping[str, Memory], put: Sequence[Enqueue]) -> None:
        """Have what was *put* learned; the first time, what a process left that died too."""
        queues = {change.queue for change in put}
        for name, memory in memories.items():
            learner = self._learners.get(name)
            if learner is None and type(memory).record is not Memory.record:
                learner = _Learner(self._runtime, name, memory, self._owner)
                self._learners[name] = learner
                learner.wake()
            elif learner is not None and _queue(name) in queues:
                learner.wake()

    async def close(self) -> None:
        """Let the memories learn what waits, for a while; the rest stays in the journal."""
        await asyncio.gather(*(learner.close() for learner in self._learners.values()))


class _Learner:
    """Works through the queue of one memory."""

    def __init__(self, runtime: Runtime, name: str, memory: Memory, owner: str) -> None:
        self._runtime = runtime
        self._name = name
        self._memory = memory
        self._owner = owner
        self._more = asyncio.Event()
        self._idle = asyncio.Event()
        self._troubled = self._late = False
        self._task = asyncio.ensure_future(self._work())

    def wake(self) -> None:
        self._idle.clear()
        self._more.set()

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await self._idle.wait()
        self._task.cancel()
        await asyncio.wait((self._task,), timeout=1)

    async def _work(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            try:
                while await self._page():
                    pass
                self._late = False
            except StoreError as error:
                self._warn("memory waits for the journal", error=one_line(error))
            if not self._more.is_set():
                self._idle.set()

    async def _page(self) -> bool:
        """Learn the oldest that wait; say whether that was any."""
        found = False
        for item in await self._runtime.store.pending(_queue(self._name), PAGE):
            try:
                lesson = msgspec.json.decode(item.item, type=Lesson)
            except (msgspec.DecodeError, UnicodeDecodeError):  # a newer program's
                continue
            mine = lesson.owner == self._owner
            if not mine and not (is_dead(lesson.owner) and await self._claimed(item)):
                continue
            found = True
            self._look_at_the_clock(item)
            await self._learn(lesson)
            changes: list[Change] = [Settle(_queue(self._name), item.key, "learned")]
            if not mine:
                changes.append(Lease(self._lease(item), self._owner, 0))
            await self._runtime.store.commit(changes)
        return found

    async def _claimed(self, item: Item) -> bool:
        """Take one that a dead process left, before another living one does."""
        until = now() + int(2 * RECORD * 1e6)
        try:
            await self._runtime.store.commit((Lease(self._lease(item), self._owner, until),))
        except Conflict:
            return False
        return bool(await self._runtime.store.pending(_queue(self._name), keys=[item.key]))

    def _lease(self, item: Item) -> str:
        return f"{_queue(self._name)}:{item.key}"

    def _look_at_the_clock(self, item: Item) -> None:
        """Say once that the memory is behind, until it is not."""
        if not self._late and 0 < item.time < now() - BEHIND:
            self._late = True
            self._runtime.log.warning(
                "memory is behind: what it has not learned waits in the journal", memory=self._name
            )

    async def _learn(self, lesson: Lesson) -> None:
        found = await self._read(lesson)
        if found is None:  # forgotten meanwhile
            return
        turn, result = found
        try:
            async with asyncio.timeout(RECORD):
                await self._memory.record(turn, result)
            self._troubled = False
        except TimeoutError:
            self._warn("memory did not record in time", seconds=RECORD)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            self._warn("memory failed to record", error=one_line(error))

    def _warn(self, what: str, **more: object) -> None:
        """Say it once, until it went well again."""
        if not self._troubled:
            self._troubled = True
            self._runtime.log.warning(what, memory=self._name, **more)

    async def _read(self, lesson: Lesson) -> tuple[Turn, TurnResult] | None:
        """Read a turn from the journal: without secrets, and without what was forgotten."""
        store, after = self._runtime.store, lesson.after
        said: UserSaid | None = None
        answers: list[Answer] = []
        while records := await store.records(lesson.session, after, PAGE):
            after = records[-1].seq
            for body in (each.body for each in records if each.turn == lesson.turn):
                if isinstance(body, UserSaid):
                    said = body
                elif isinstance(body, Answer):
                    answers.append(body)
                elif isinstance(body, Ended):
                    info = await store.session(lesson.session) or SessionInfo(lesson.session)
                    return (
                        (self._turn(lesson, info, said), _result(body, answers)) if said else None
                    )
        return None

    def _turn(self, lesson: Lesson, info: SessionInfo, said: UserSaid) -> Turn:
        authority = Authority(
            lesson.surface,
            person=lesson.person,
            role=lesson.role,
            group=lesson.group,
            shared=lesson.shared,
        )
        given = TurnInput(
            lesson.turn,
            info,
            said.text,
            authority,
            images=said.images,
            context=said.context,
            sender=said.sender,
            source=said.source,
        )
        return Turn(
            given,
            emit=_nobody_listens,
            ask=_nobody_answers,
            cancelled=asyncio.Event(),
            models=self._runtime.models,
        )


def _queue(name: str) -> str:
    return f"learn {name}"


def _result(ended: Ended, answers: Sequence[Answer]) -> TurnResult:
    parts = answers[-1].parts if answers else ()
    reply = "".join(part.text for part in parts if isinstance(part, Text))
    if ended.failure is not None:
        reply = ended.failure.message
    return TurnResult(
        ended.status,
        reply,
        usage=ended.usage,
        failure=ended.failure,
        model=ended.model,
        fallback=ended.fallback,
        steps=len(answers),
    )


def _nobody_listens(event: object) -> None:
    pass


async def _nobody_answers(question: Question) -> Reply:
    return NOBODY
