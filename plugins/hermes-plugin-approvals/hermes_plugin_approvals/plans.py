"""Plans: several exact calls that a person sees together and allows once.

The model proposes them with ``propose_plan``; the policy itself answers that tool. What is allowed
is a grant of the conversation (``hermes grants``), with an end, whose calls are bound to the byte
(tool, arguments, directory, backend, and what commands inherit), made in the order shown, each
once. A step that fails ends the plan: what was to come after it was allowed after a success.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeAlias

import msgspec

from hermes import (
    KEYED,
    Allowance,
    Question,
    State,
    ToolCall,
    ToolResult,
    tool,
)
from hermes_plugin_approvals import wording
from hermes_plugin_approvals.judging import Judgement

NAME = "propose_plan"
STEPS = 20
LONGEST = 2_000
"""Characters of one step, which must be seen whole."""
MINUTES = 240
KEPT = 10
"""Plans of a conversation that are remembered."""


class Step(msgspec.Struct, frozen=True):
    """One call of a plan."""

    tool: str
    arguments: dict[str, Any]


class Allowed(msgspec.Struct, frozen=True):
    """A step that a person allowed."""

    digest: str
    environment: str
    text: str
    """As the person saw it, for a list."""


class Plan(msgspec.Struct, frozen=True):
    """A plan that a person allowed, and how far it is."""

    call: str
    """Id of the call that proposed it."""
    grant: str
    steps: tuple[Allowed, ...]
    spent: tuple[str, ...] = ()
    """Ids of the calls that its first steps were spent on."""


@tool(effect=KEYED, needs=set())
async def propose_plan(
    steps: Annotated[list[Step], "Calls of your tools, exactly as you will make them, in order"],
    why: Annotated[str, "What they are for, in one sentence"],
    minutes: Annotated[int, "How long you need, at most 240"] = 60,
) -> ToolResult:
    """Ask once for several calls that would each be asked about. Then make them one after another,
    byte for byte as proposed, in the folder you are in now; a change asks again, a failure ends it.
    """
    return ToolResult.error("No policy answers for plans here: make the calls one by one.")


Made: TypeAlias = tuple[ToolCall, Judgement]
Reader: TypeAlias = Callable[[ToolCall, Step], Awaitable[Made | str]]
"""Makes a step's call and judges it, or says why nobody can allow it."""
Asker: TypeAlias = Callable[[ToolCall], str]
"""Names the source that a call's words stand in."""


class Plans:
    """Asks about plans, and spends them."""

    def __init__(
        self,
        state: State,
        redact: Callable[[str], str],
        runtime: Callable[[], Any],
        clock: Callable[[], float],
    ) -> None:
        self._state = state
        self._redact = redact
        self._runtime = runtime
        self._clock = clock
        self._writing = asyncio.Lock()

    async def propose(self, call: ToolCall, read: Reader, who: Asker, seconds: float) -> ToolResult:
        """Ask a person about a plan."""
        try:
            given = msgspec.convert(call.request.arguments, _Proposed, strict=False)
        except msgspec.ValidationError as error:
            return ToolResult.error(f"Invalid arguments for {NAME}: {error}")
        runtime = self._runtime()
        if not call.authority.can_ask or call.authority.role == "guest" or runtime is None:
            return ToolResult.error(wording.nobody(call))
        made: list[Made] = []
        for number, step in enumerate(given.steps, 1):
            answer = await read(call, step)
            if isinstance(answer, str):
                return ToolResult.error(f"Step {number} cannot be in a plan: {answer}")
            if len(wording.whole(answer[0])) > LONGEST:
                return ToolResult.error(
                    f"Step {number} is too long to be seen whole: make that call by itself."
                )
            made.append(answer)
        kept = await self._kept(call.request.session.id)
        if any(plan.call == call.request.id for plan in kept):  # of an earlier life of this turn
            return _allowed(len(made), given.minutes)
        reply = await call.ask(
            Question(
                self._question(call, given, made, who),
                ("once", "deny"),
                purpose="approval",
                about=call.request.id,
                digest=call.digest,
                seconds=seconds,
            )
        )
        if reply.choice != "once":
            return ToolResult.error(wording.denied(call, reply))
        await self._give(call, given, made, kept, reply.by)
        return _allowed(len(made), given.minutes)

    def _question(self, call: ToolCall, given: _Proposed, made: list[Made], who: Asker) -> str:
        lines = [f"A plan of {len(made)} steps: {self._redact(wording.visible(given.why))}"]
        lines.append(f"Each runs once, in this order, within {given.minutes} minutes:")
        for number, (step, judgement) in enumerate(made, 1):
            shown = wording.question(step, self._redact, judgement, "", who(step), sources=False)
            lines.append(f"{number}. {shown}")
        return "\n".join([*lines, *wording.whose(call)])

    async def _give(
        self,
        call: ToolCall,
        given: _Proposed,
        made: list[Made],
        kept: list[Plan],
        by: str,
    ) -> None:
        needs = frozenset[str]().union(*(step.tool.needs for step, _ in made))
        session = call.request.session.id
        held = await self._runtime().grants.give(
            f"session:{session}",
            Allowance(
                "",
                needs or frozenset({"read"}),
                until=int(self._clock() * 1e6) + given.minutes * 60_000_000,
                why=wording.cut(self._redact(f"a plan: {given.why}"), 200),
                calls=tuple(step.digest for step, _ in made),
                once=True,
            ),
            by=by or call.authority.person,
        )
        steps = tuple(
            Allowed(
                step.digest,
                judgement.environment,
                self._redact(f"{step.request.tool}: {wording.subject(step)}")[:LONGEST],
            )
            for step, judgement in made
        )
        await self._write(session, [*kept, Plan(call.request.id, held.id, steps)])

    async def spend(self, call: ToolCall, judgement: Judgement) -> str:
        """Spend the next step of a plan on *call*, durably; give its grant, or nothing.

        A call that was cut short between this and its start, and is made again, is the same.
        """
        async with self._writing:  # calls of one answer may come at the same time
            return await self._spend(call, judgement)

    async def _spend(self, call: ToolCall, judgement: Judgement) -> str:
        runtime, session = self._runtime(), call.request.session.id
        kept = await self._kept(session)
        if not kept or runtime is None:
            return ""
        standing = {each.id for each in await runtime.grants.of(f"session:{session}")}
        for place, plan in enumerate(kept):
            if plan.grant not in standing:
                continue
            next_ = len(plan.spent)
            again = call.request.id in plan.spent
            step = plan.spent.index(call.request.id) if again else next_
            if step >= len(plan.steps):
                continue
            wanted = plan.steps[step]
            if (wanted.digest, wanted.environment) != (call.digest, judgement.environment):
                continue
            if not again:
                spent = (*plan.spent, call.request.id)
                kept[place] = msgspec.structs.replace(plan, spent=spent)
                await self._write(session, kept)
            return plan.grant
        return ""

    async def ended(self, call: ToolCall, grant: str, result: ToolResult) -> ToolResult:
        """Take a plan back whose last step was made, or whose step failed."""
        session = call.request.session.id
        plan = next((each for each in await self._kept(session) if each.grant == grant), None)
        if plan is None:
            return result
        if not result.is_error and len(plan.spent) < len(plan.steps):
            return result
        await self._runtime().grants.revoke(grant)
        if not result.is_error or len(plan.spent) == len(plan.steps):
            return result
        text = f"{result.text}\n[The plan ends with this failure; propose what is to come anew.]"
        return msgspec.structs.replace(result, text=text)

    async def _kept(self, session: str) -> list[Plan]:
        return await kept(self._state, session)

    async def _write(self, session: str, plans: list[Plan]) -> None:
        while len(plans) > KEPT or len(msgspec.json.encode(plans)) > 60_000:
            plans = plans[1:]
        await self._state.set(NAME, msgspec.to_builtins(plans), scope="session", of=session)


async def kept(state: State, session: str) -> list[Plan]:
    """Give the plans of a conversation; what cannot be read is none."""
    found = await state.get(NAME, scope="session", of=session)
    try:
        return msgspec.convert(found or [], list[Plan])
    except msgspec.ValidationError:
        return []


class _Proposed(msgspec.Struct, frozen=True):
    steps: Annotated[tuple[Step, ...], msgspec.Meta(min_length=1, max_length=STEPS)]
    why: str
    minutes: Annotated[int, msgspec.Meta(ge=1, le=MINUTES)] = 60


def _allowed(number: int, minutes: int) -> ToolResult:
    said = f"Allowed: {number} steps, each once, in this order, within {minutes} minutes."
    return ToolResult(f"{said} Make them now, one after another.")
