"""Running one turn from letter to end: the same for every surface (§5).

Three commits carry "nothing accepted is lost, nothing done is done twice" (§7). *Take*: the lease
and the person's message. *Step*: what is known before an effect, then after it (`Agent`,
`Toolbox`). *End*: the last answer, the turn's end, the lease given back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import msgspec

from hermes.agent import Agent
from hermes.chain import Broken, compose, held_by
from hermes.errors import (
    Busy,
    Conflict,
    Failure,
    FailureKind,
    HermesError,
    NotFound,
    StoreError,
    one_line,
)
from hermes.events import Event, Notice, TurnFinished
from hermes.identity import is_dead, new_id, new_owner, now, where
from hermes.killpoint import reach
from hermes.lessons import Lessons
from hermes.mailbox import Letter, Mailbox
from hermes.memory import Memory
from hermes.messages import Image, Text
from hermes.middleware import Next
from hermes.opening import opening
from hermes.records import Ended, Opened, Reprompted
from hermes.session import SessionInfo
from hermes.store import Change, Describe, Enqueue, Lease
from hermes.transcript import NO_TURN, OpenTurn, turn_starts
from hermes.turn import Limits, Turn, TurnInput, TurnResult

if TYPE_CHECKING:
    from hermes.runtime import Runtime

LEASE = 30_000_000
"""Microseconds a lease lasts without renewal."""
RENEW = 10.0
STOPPED = 10.0
"""Seconds a stopped turn has to end: five are the agent's own."""
RECALL = 0.3
"""Seconds the memory has to recall."""
RESUMES = 2
"""A turn is resumed this often; the next time it ends as failed."""
TOO_OLD = 3_600_000_000
"""Microseconds after which an interrupted turn is not resumed."""


class Turns:
    """Runs letters. One object per runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lessons = Lessons(runtime)
        self.unborn: dict[str, tuple[Change, ...]] = {}
        """What is to be committed with a conversation's first turn."""

    async def run(self, id: str, letter: Letter, mailbox: Mailbox) -> None:
        """Run one letter's turn and tell its listeners how it ended. Never raises for failures."""
        info = self.newborn(id) or SessionInfo(id)
        result = TurnResult.failed(Failure("internal", "The turn did not run."))
        try:
            info = await self._runtime.store.session(id) or info
            result = await self._run(info, letter, mailbox)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a conversation's turn)
            if not isinstance(error, HermesError):
                self._runtime.log.error("turn failed", session=id, error=one_line(error))
            kind: FailureKind = "refused" if isinstance(error, Busy) else "internal"
            result = TurnResult.failed(Failure(kind, one_line(error, 1000)))
            self._runtime.evict(id, "error")
        finally:
            if not _ending():
                await self._give_end(letter, result)
                finished = TurnFinished(
                    result.status,
                    result.reply,
                    result.usage,
                    result.model,
                    result.fallback,
                    id,
                    result.failure,
                )
                letter.emit(finished)
                self._runtime.observe(info, finished)

    def newborn(self, id: str) -> SessionInfo | None:
        """Describe a conversation that the journal will have with its first turn."""
        for change in self.unborn.get(id, ()):
            if isinstance(change, Describe):
                return SessionInfo(
                    id,
                    surface=change.surface or "",
                    person=change.person or "",
                    directory=change.directory or "",
                    parent=change.parent or "",
                )
        return None

    async def _run(self, info: SessionInfo, letter: Letter, mailbox: Mailbox) -> TurnResult:
        agent = await self._runtime.agent(info)
        agent.steered = mailbox.steered
        try:
            return await self._with(agent, info, letter)
        finally:
            agent.steered = list  # the cached agent keeps no mailbox alive

    async def _with(self, agent: Agent, info: SessionInfo, letter: Letter) -> TurnResult:
        resume = agent.transcript.fold.turn
        if resume is not None:
            await self._check_free(info.id)
            result = await self._resume(info, letter, agent, resume)
            if letter.resume:
                return result
        elif letter.resume:
            return TurnResult("ok", "")
        if letter.again:
            return await self._again(info, letter, agent)
        return await self._turn(info, letter, agent, new_id())

    async def _again(self, info: SessionInfo, letter: Letter, agent: Agent) -> TurnResult:
        """Take back the last turn and run its message again."""
        starts = turn_starts(agent.transcript.fold)
        if not starts:
            raise NotFound(NO_TURN)
        last = starts[-1]
        again = replace(
            letter,
            text=next(part.text for part in last.message.parts if isinstance(part, Text)),
            images=tuple(part for part in last.message.parts if isinstance(part, Image)),
        )
        result = await self._turn(info, again, agent, new_id(), instead=last.seq)
        letter.ended = again.ended
        return result

    async def _resume(
        self, info: SessionInfo, letter: Letter, agent: Agent, open_turn: OpenTurn
    ) -> TurnResult:
        """Go on with a turn that was interrupted, or close it with a notice."""
        if open_turn.resumes >= RESUMES or now() - open_turn.began > TOO_OLD:
            why = "too often" if open_turn.resumes >= RESUMES else "too long ago"
            failure = Failure(
                "internal", f"The last turn was interrupted {why} and was not resumed."
            )
            result = TurnResult.failed(failure)
            agent.transcript.note(Ended(status="failed", failure=failure), open_turn.id)
            brings = letter.ending(result) if letter.resume and letter.ending else ()
            await agent.transcript.commit(await self._lapsed(info.id), brings)
            letter.ended = letter.resume
            await self._runtime.questions.expire(_unanswered(open_turn))
            letter.emit(Notice(failure.message))
            return result
        letter.emit(Notice("Going on with the turn that was interrupted."))
        said = open_turn.said
        again = replace(
            letter, text=said.text, images=said.images, sender=said.sender, source=said.source
        )
        if not letter.resume:  # its own message is still to come
            again.taking, again.ending = (), None
            if said.stranger:  # whoever came next lends a stranger's turn nothing of theirs
                again.authority = msgspec.structs.replace(
                    letter.authority, role="guest", allowances=(), holder="", yolo=False
                )
        result = await self._turn(info, again, agent, open_turn.id, resumed=True)
        letter.ended = again.ended
        return result

    async def _turn(
        self,
        info: SessionInfo,
        letter: Letter,
        agent: Agent,
        id: str,
        *,
        resumed: bool = False,
        instead: int | None = None,
    ) -> TurnResult:
        runtime = self._runtime

        def emit(event: Event) -> None:
            letter.emit(event)
            runtime.observe(info, event)

        turn = Turn(
            await self._input(info, letter, id, agent),
            emit=emit,
            ask=runtime.questions.asker(
                agent.transcript,
                id,
                emit,
                authority=letter.authority,
                cancelled=letter.cancelled,
            ),
            cancelled=letter.cancelled,
            models=runtime.models,
            prompt=agent.transcript.fold.prompt,
            messages=agent.transcript.fold.messages,
        )
        memories = await runtime.named_memories()
        if not resumed:
            turn = await self._recall(memories, turn)
        after = 0 if resumed else info.head
        teach = partial(self._lessons.of, memories, after=after)
        result, lessons = await self._through_chain(info, agent, turn, letter, instead, teach)
        self._lessons.wake(memories, lessons)
        if result.status == "ok" and result.fallback:
            runtime.evict(info.id, "fallback")
        return result

    async def _input(self, info: SessionInfo, letter: Letter, id: str, agent: Agent) -> TurnInput:
        runtime = self._runtime
        settings = runtime.host.config.section("hermes")
        chosen = letter.model or await runtime.chosen_model(info.id) or settings.model or "local"
        return TurnInput(
            id,
            info,
            letter.text,
            letter.authority,
            images=letter.images,
            model=runtime.models.resolve(chosen),
            config_revision=runtime.host.config.revision,
            limits=Limits(letter.steps or settings.agent.max_turns),
            toolsets=letter.toolsets,
            sender=letter.sender,
            source=letter.source or info.surface,
            retractable=letter.retractable,
        )

    async def _through_chain(
        self,
        info: SessionInfo,
        agent: Agent,
        turn: Turn,
        letter: Letter,
        instead: int | None,
        teach: Callable[[Turn, TurnResult], Sequence[Enqueue]],
    ) -> tuple[TurnResult, Sequence[Enqueue]]:
        """Run the turn inside its middleware; its core takes the lease. Gives what it put before
        the memories, too.
        """
        held: list[_Held] = []
        lessons: Sequence[Enqueue] = ()

        async def innermost(turn: Turn) -> TurnResult:
            await self._open(info, agent, turn)
            mine = _Held(self._runtime, agent, info.id, turn.cancelled)
            held.append(mine)

            async def take() -> None:
                unborn = self.unborn.get(info.id, ())
                await agent.transcript.commit(await mine.take(), (*unborn, *letter.taking))
                self.unborn.pop(info.id, None)
                mine.taken = True

            try:
                result = await agent.run(turn, take, instead=instead)
            except Conflict:
                if mine.taken or len(held) > 1 or instead is not None:
                    raise  # another turn is the last one now: that one is not to be taken back
                # Somebody appended between our reading and our taking: read that and go on from it.
                await self._check_free(info.id)
                await agent.transcript.refresh()
                return await innermost(turn)
            if mine.lost:
                raise Conflict("another process went on with this conversation")
            return result

        chain = compose("turn", self._runtime.links, innermost)
        try:
            try:
                result: TurnResult = await self._stoppable(chain, turn)
            except Broken as broken:
                result = TurnResult.failed(Failure("plugin", str(broken), broken.plugin))
            if held and held[-1].taken:
                lessons = teach(turn, result)
                await self._end(agent, turn, result, held[-1], letter, lessons)
        finally:
            agent.transcript.discard()
            for one in held:
                await one.stop()
        return result, lessons

    async def _stoppable(self, chain: Next[Turn, TurnResult], turn: Turn) -> TurnResult:
        """Run the chain; after a stop it has its time to end, whatever a middleware waits for."""
        loop = asyncio.get_running_loop()

        async def hurry(limit: asyncio.Timeout) -> None:
            await turn.cancelled.wait()
            limit.reschedule(loop.time() + STOPPED)

        try:
            async with asyncio.timeout(None) as limit:
                hurrying = asyncio.ensure_future(hurry(limit))
                try:
                    return await chain(turn)
                finally:
                    hurrying.cancel()
        except TimeoutError as late:
            if not turn.cancelled.is_set():
                raise
            self._runtime.log.error("a stopped turn did not end", held_by=held_by(late))
            return TurnResult("cancelled", "Stopped.")

    async def _open(self, info: SessionInfo, agent: Agent, turn: Turn) -> None:
        """Render prompt and tools at a conversation's first message; find its tools otherwise."""
        runtime, fold = self._runtime, agent.transcript.fold
        agent.gets_tools = (await runtime.models.info(turn.input.model)).tools
        if fold.opened and (fold.tools or not agent.gets_tools):
            return
        prompt, tools, sources = await opening(
            runtime.prompts,
            runtime.tools,
            info,
            has_tools=agent.gets_tools,
            chosen=turn.input.toolsets,
        )
        specs = tuple(tool.spec for tool in tools)
        if not fold.opened:
            relation: Literal["", "child"] = "child" if info.parent else ""
            agent.transcript.note(
                Opened(
                    prompt=prompt,
                    tools=specs,
                    parent=info.parent,
                    relation=relation,
                    sources=sources,
                )
            )
        elif specs:  # it began with a model that has no tools; this one has
            agent.transcript.note(
                Reprompted(
                    prompt=prompt,
                    tools=specs,
                    reason="the model can use tools",
                    sources=sources,
                )
            )
        agent.toolbox = runtime.toolbox(agent.transcript, info, tools)

    async def _give_end(self, letter: Letter, result: TurnResult) -> None:
        """Commit what a letter's end brings where no turn's end has carried it."""
        if letter.ending is None or letter.ended:
            return
        try:
            await self._runtime.store.commit(letter.ending(result))
            letter.ended = True
        except StoreError as error:
            self._runtime.log.error("end of a message not kept", error=one_line(error))

    async def _end(
        self,
        agent: Agent,
        turn: Turn,
        result: TurnResult,
        held: _Held,
        letter: Letter,
        lessons: Sequence[Change],
    ) -> None:
        ended = Ended(
            status=result.status,
            failure=result.failure,
            model=result.model,
            fallback=result.fallback,
            usage=result.usage,
        )
        agent.transcript.note(ended, turn.input.id)
        reach("turn.ending")
        brings = letter.ending(result) if letter.ending else ()
        asked = _unanswered(agent.transcript.fold.turn)
        await agent.transcript.commit((), (held.give_back(), *brings, *lessons))
        await self._runtime.questions.expire(asked)
        held.ended = True
        letter.ended = True
        reach("turn.ended")

    # -- leases -------------------------------------------------------------------------------

    async def _check_free(self, id: str) -> None:
        """Raise Busy when a living process holds the conversation."""
        lease = await self._runtime.store.lease(f"session:{id}")
        if lease is not None and not is_dead(lease.owner):
            raise Busy(
                f"This conversation is busy elsewhere ({where(lease.owner)});"
                " wait, or stop it there"
            )

    async def _lapsed(self, id: str) -> tuple[Change, ...]:
        """Give the change that ends a dead process's lease, if one is left."""
        lease = await self._runtime.store.lease(f"session:{id}")
        return (Lease(lease.name, lease.owner, 0),) if lease and is_dead(lease.owner) else ()

    # -- memory -------------------------------------------------------------------------------

    async def _recall(self, memories: Mapping[str, Memory], turn: Turn) -> Turn:
        recalled = await asyncio.gather(
            *(self._recalled(name, memory, turn) for name, memory in memories.items())
        )
        context = "\n\n".join(text for text in recalled if text)
        return turn.replace(context=context) if context else turn

    async def _recalled(self, name: str, memory: Memory, turn: Turn) -> str:
        try:
            async with asyncio.timeout(RECALL):
                return await memory.recall(turn)
        except TimeoutError:
            self._runtime.log.warning("memory did not answer in time", memory=name, seconds=RECALL)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            self._runtime.log.warning("memory failed to recall", memory=name, error=one_line(error))
        return ""

    async def close(self) -> None:
        """Let the memories learn what waits, for a while; the rest stays in the journal."""
        await self._lessons.close()


class _Held:
    """The lease of a conversation while a turn runs: renewed, given back, or found lost."""

    def __init__(self, runtime: Runtime, agent: Agent, id: str, cancelled: asyncio.Event) -> None:
        self._runtime = runtime
        self._agent = agent
        self._name = f"session:{id}"
        self._cancelled = cancelled
        self._owner = agent.transcript.owner = new_owner(runtime.surface)
        self._renewing: asyncio.Task[None] | None = None
        self.taken = self.ended = self.lost = False

    async def take(self) -> tuple[Change, ...]:
        """Give the changes that take the lease, over a dead holder's if need be."""
        if self._renewing is None:
            self._renewing = asyncio.ensure_future(self._renew())
        mine = Lease(self._name, self._owner, now() + LEASE)
        held = await self._runtime.store.lease(self._name)
        if held is not None and is_dead(held.owner):
            return Lease(self._name, held.owner, 0), mine
        return (mine,)

    def give_back(self) -> Change:
        return Lease(self._name, self._owner, 0)

    async def stop(self) -> None:
        """End it: a turn that the process's end cut short leaves its conversation free."""
        self._agent.transcript.owner = ""
        if self._renewing is None:
            return
        self._renewing.cancel()
        if not self.ended:  # `taken` may not know of a commit that the end cut short
            with contextlib.suppress(StoreError):
                await self._runtime.store.commit((self.give_back(),))

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW)
            try:
                lease = Lease(self._name, self._owner, now() + LEASE)
                await self._runtime.store.commit((lease,))
            except Conflict:
                self.lost = True
                self._cancelled.set()
                return
            except StoreError as error:
                self._runtime.log.warning("lease not renewed", error=one_line(error))


def _unanswered(turn: OpenTurn | None) -> set[str]:
    """The questions of a turn that are nobody's to answer any more once it is over."""
    return turn.asked.keys() - turn.answered.keys() if turn else set()


def _ending() -> bool:
    """Whether this task is being cancelled: the process ends, the turn stays open."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
