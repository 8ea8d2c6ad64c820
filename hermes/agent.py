"""The turn loop (§5.3): ask the model, run its tool calls, commit; until an answer or an end.

There is no retry, fallback, approval, accounting or persistence policy here: those stand around the
model and the tools as middleware. The loop never changes what was sent before, so request k+1
starts with the bytes of request k.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hermes.chain import Broken
from hermes.errors import Failed, Failure
from hermes.events import Event, Notice, StreamRestarted, TextChunk, UsageReported
from hermes.killpoint import reach
from hermes.messages import Content, Text, ToolUse, Usage, clean
from hermes.middleware import Next
from hermes.provider import ModelRequest, ModelResponse, ModelSpec
from hermes.records import Answer, Resumed, Rewound, Steered, UserSaid
from hermes.sources import is_stranger
from hermes.toolbox import Toolbox
from hermes.transcript import OpenTurn, Transcript
from hermes.turn import Turn, TurnResult

if TYPE_CHECKING:
    from hermes.mailbox import Letter

T = TypeVar("T")
GRACE = 5.0
"""Seconds that a stopped model or tool call has to end."""
WRAP_UP = (
    "[Hermes: this turn has reached its limit of steps. Answer now with what you have; do not call"
    " any more tools.]"
)


class Stopped(Exception):
    """The person said stop."""


class Agent:
    """One conversation's transcript, tools and route. Owns no connection: dropping it is free."""

    def __init__(
        self, transcript: Transcript, toolbox: Toolbox, model: Next[ModelRequest, ModelResponse]
    ) -> None:
        self.transcript = transcript
        self.toolbox = toolbox
        self.route = ""
        """``provider:name`` that answered last: where the next request starts."""
        self._asked = ""
        self._model = model
        self.used = 0.0
        """When it was last asked for, by the monotonic clock; set by whoever keeps it."""
        self.gets_tools = True
        """The model can call tools."""
        self.steered: Callable[[], list[Letter]] = list
        """Hands over what people added to the running turn."""

    async def run(
        self,
        turn: Turn,
        take: Callable[[], Awaitable[None]] | None = None,
        *,
        instead: int | None = None,
    ) -> TurnResult:
        """Run *turn* to its end. *take* commits the person's message and what must go with it.
        The turn that began with record *instead* is taken back first.

        The last answer is noted, not committed: whoever called commits it with the turn's end.
        Raises StoreError when the journal cannot be written.
        """
        state = _Running(turn)
        resumed = self.transcript.fold.turn
        if resumed is not None and resumed.id == turn.input.id:
            self.transcript.note(Resumed(attempt=resumed.resumes + 1), turn.input.id)
            state.steps, state.usage = resumed.steps, resumed.usage
        else:
            resumed = None
            if instead is not None:
                self.transcript.note(Rewound(to=instead - 1, reason="retry"))
            self.transcript.note(
                UserSaid(
                    text=clean(turn.input.text),
                    images=turn.input.images,
                    context=clean(turn.input.context),
                    sender=turn.input.sender,
                    source=turn.input.source,
                    stranger=is_stranger(turn.input),
                ),
                turn.input.id,
            )
        await (take or self.transcript.commit)()
        reach("turn.taken")
        self._choose_route(turn.input.model)
        try:
            return await self._loop(turn, state, resumed)
        except Stopped:
            return TurnResult("cancelled", "Stopped.", usage=state.usage, model=self.route)
        except Failed as failed:
            return state.failed(failed.failure, self.route)
        except Broken as broken:
            return state.failed(Failure("plugin", str(broken), broken.plugin), self.route)

    def _choose_route(self, asked: str) -> None:
        """Keep to the model that answered last, unless the person chose another since."""
        if asked != self._asked or not self.route:
            self._asked = self.route = asked

    async def _loop(self, turn: Turn, state: _Running, resumed: OpenTurn | None) -> TurnResult:
        if resumed is not None and resumed.answer is not None:
            await self._tools(turn, _unfinished(resumed))
        while True:
            self._take_steering(turn)
            if state.over(turn):
                self.transcript.note(Steered(text=WRAP_UP, sender="hermes"), turn.input.id)
                await self.transcript.commit()
                state.wrapped_up = True
            elif self.transcript.waiting:
                await self.transcript.commit()
            response = await self._ask(turn, state)
            if not response.tool_uses:
                return self._answered(turn, state, response)
            if state.wrapped_up:
                return state.out_of_steps(self.route)
            await self._tools(turn, response.tool_uses)

    def _take_steering(self, turn: Turn) -> None:
        for letter in self.steered():
            said = Steered(text=clean(letter.text), sender=letter.sender)
            self.transcript.note(said, turn.input.id)
            self.transcript.also(letter.steering)

    async def _ask(self, turn: Turn, state: _Running) -> ModelResponse:
        """Make one model call and note its answer."""
        fold = self.transcript.fold
        spec = ModelSpec(
            self.route,
            fold.prompt,
            fold.messages,
            fold.tools if self.gets_tools else (),
            session=turn.input.session.id,
            turn=turn.input.id,
            step=state.steps,
        )
        request = ModelRequest(
            spec, state.listen(turn.emit), turn=turn, retractable=turn.input.retractable
        )
        try:
            response = await self._until_stopped(turn, self._model(request))
        except Stopped:
            if state.text:
                parts: tuple[Content, ...] = (Text(clean("".join(state.text))),)
                self._note_answer(turn, state, ModelResponse(parts, self.route), partial=True)
            raise
        response = msgspec.structs.replace(response, parts=self._own_ids(response.parts))
        state.took(response)
        if response.fallback:
            turn.emit(Notice(f"{response.model} answered instead of {self._asked}."))
        self.route = response.model
        turn.emit(UsageReported(response.model, response.usage))
        self._note_answer(turn, state, response)
        reach("model.answered")
        return response

    def _note_answer(
        self, turn: Turn, state: _Running, response: ModelResponse, *, partial: bool = False
    ) -> None:
        answer = Answer(
            parts=response.parts,
            model=response.model,
            usage=response.usage,
            stop=response.stop,
            step=state.steps,
            partial=partial,
        )
        self.transcript.note(answer, turn.input.id)

    def _own_ids(self, parts: tuple[Content, ...]) -> tuple[Content, ...]:
        """Give every tool use an id that no other of this conversation has; clean every text."""
        used = (
            {use.id for message in self.transcript.fold.messages for use in message.tool_uses}
            if any(isinstance(part, ToolUse) for part in parts)
            else set()
        )
        owned: list[Content] = []
        for part in parts:
            if isinstance(part, Text):
                part = Text(clean(part.text))
            elif isinstance(part, ToolUse):
                wanted = identity = clean(part.id) or "call"
                number = 1
                while identity in used:
                    number += 1
                    identity = f"{wanted}_{number}"
                used.add(identity)
                part = ToolUse(identity, clean(part.name), clean(part.arguments))
            owned.append(part)
        return tuple(owned)

    async def _tools(self, turn: Turn, uses: tuple[ToolUse, ...]) -> None:
        """Run the calls of an answer and commit their results."""
        prepared = self.toolbox.prepare(uses)
        try:
            await self._until_stopped(turn, self.toolbox.batch(turn, prepared))
        except* (Failed, Broken) as group:  # the gate turns these into results; others are bugs
            raise group.exceptions[0] from None
        finally:
            reach("tools.finished")
            await self.transcript.commit()
        reach("step.committed")

    def _answered(self, turn: Turn, state: _Running, response: ModelResponse) -> TurnResult:
        if response.stop == "filter":
            return state.failed(
                Failure("content_filter", "The model's vendor filtered this answer."), self.route
            )
        if not response.text.strip():
            return state.failed(
                Failure("transient", f"{response.model} gave an empty answer. Try again."),
                self.route,
            )
        if response.stop == "length":
            turn.emit(Notice("The answer was cut at the model's output limit."))
        return TurnResult(
            "ok",
            response.text,
            usage=state.usage,
            model=response.model,
            fallback=state.fallback,
            steps=state.steps,
        )

    async def _until_stopped(self, turn: Turn, work: Awaitable[T]) -> T:
        """Wait for *work*; when the person says stop, cancel it and raise `Stopped`."""
        if turn.cancelled.is_set():  # nothing begins after a stop
            if asyncio.iscoroutine(work):
                work.close()
            raise Stopped
        task: asyncio.Task[T] = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(turn.cancelled.wait())
        try:
            await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Stopped
            return task.result()
        finally:
            stop.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait((task,), timeout=GRACE)


class _Running:
    """What one turn has used and said so far."""

    def __init__(self, turn: Turn) -> None:
        self.steps = 0
        self.usage = Usage()
        self.fallback = False
        self.wrapped_up = False
        self.text: list[str] = []
        """Of the model call under way."""
        self._began = time.monotonic()
        self._turn = turn

    def over(self, turn: Turn) -> bool:
        limits = turn.input.limits
        late = limits.seconds is not None and time.monotonic() - self._began >= limits.seconds
        return late or self.steps >= limits.steps

    def took(self, response: ModelResponse) -> None:
        self.steps += 1
        self.usage += response.usage
        self.fallback = self.fallback or response.fallback

    def listen(self, emit: Callable[[Event], None]) -> Callable[[Event], None]:
        """Pass events on, keeping the text of the attempt under way for a stop in its middle."""
        self.text = []

        def heard(event: Event) -> None:
            if isinstance(event, TextChunk):
                self.text.append(event.text)
            elif isinstance(event, StreamRestarted):
                self.text.clear()
            emit(event)

        return heard

    def out_of_steps(self, model: str) -> TurnResult:
        said = (
            f"Stopped after {self.steps} steps without an answer. Say what to leave out, or go on."
        )
        return self.failed(Failure("refused", said), model)

    def failed(self, failure: Failure, model: str) -> TurnResult:
        return TurnResult.failed(
            failure, usage=self.usage, model=model, fallback=self.fallback, steps=self.steps
        )


def _unfinished(turn: OpenTurn) -> tuple[ToolUse, ...]:
    """The calls of the last answer that have no result yet."""
    assert turn.answer is not None
    uses = tuple(part for part in turn.answer.parts if isinstance(part, ToolUse))
    return tuple(use for use in uses if use.id not in turn.finished)
