"""Gives grants: the only thing between a model's wish and a tool that runs (architecture §10).

In this order: a call from nobody known is denied; some commands are refused whoever asks; then the
configuration's rules; what needs nothing, only looks at the workspace, is covered by an allowance
or by a permission given before is granted; a person is asked about the rest; where nobody can be
asked the answer is no, with the mend. A grant is for exactly one call: tool, arguments, directory
and backend. Anything this module does not understand is asked about; anything that goes wrong in
it is a call that does not run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, get_args
from weakref import WeakValueDictionary

import msgspec

from hermes import (
    Allowance,
    Middleware,
    Next,
    PluginContext,
    Question,
    Reply,
    Role,
    Stage,
    ToolCall,
    ToolResult,
)
from hermes_plugin_approvals import allowance, plans, rules, smart, wording, workspace
from hermes_plugin_approvals.judging import Judge, Judgement
from hermes_plugin_approvals.settings import Settings
from hermes_plugin_approvals.sources import Heard, untrusted
from hermes_plugin_approvals.standing import Standing

NAME = "approvals"
CHOICES = ("once", "session", "always", "deny")
IN_TERMINAL = frozenset({"read", "write", "run"})
"""Needs that are met inside a terminal, and so stay inside an isolated one."""


class Approvals(Middleware):
    """Grants tool calls, or asks a person first."""

    stage = Stage.GUARD

    def __init__(self, context: PluginContext, clock: Callable[[], float] = time.time) -> None:
        self.settings: Settings = context.settings or Settings()
        self.standing = Standing(context.state, clock)
        self.judge = Judge()
        self._context = context
        self._heard = Heard()
        self._clock = clock
        self.plans = plans.Plans(
            context.state, context.secrets.redact, lambda: self._context.runtime, clock
        )
        self._log = context.log
        self._redact = context.secrets.redact
        # Two calls of one answer with the same bytes are one question, not two.
        self._asking: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        if stranger := _unknown_context(call):
            return ToolResult.error(wording.unknown_context(call, stranger))
        if call.tool.name == plans.NAME and call.tool.plugin == NAME:
            seconds = self.settings.timeout
            return await self.plans.propose(call, self._step, self._heard.who_asked, seconds)
        call = await _placed(call)
        judgement = await self.judge(call)
        if judgement.refusal:
            self._log.warning("refused for ever", tool=call.request.tool, why=judgement.refusal)
            return ToolResult.error(wording.refused(call, judgement.refusal))
        do, why = await rules.verdict(self.settings, call, judgement)
        if do == "deny":
            self._log.warning("refused by a rule", tool=call.request.tool, why=why)
            return ToolResult.error(wording.ruled_out(call, why))
        if plan := await self.plans.spend(call, judgement):
            granted = call.granted(NAME, f"a step of the plan {plan}")
            result = self._labelled(await call_next(granted), call, judgement)
            return await self.plans.ended(call, plan, result)
        unasked = None if do == "ask" else await self._unasked(call, judgement, do, why)
        if unasked is None:
            asking = self._asking.setdefault((call.request.session.id, call.digest), asyncio.Lock())
            async with asking:
                answer = await self._asked(call, judgement, why if do == "ask" else "")
            if isinstance(answer, ToolResult):
                return answer
            unasked = answer
        return self._labelled(await call_next(call.granted(NAME, unasked)), call, judgement)

    async def _step(self, plan: ToolCall, step: plans.Step) -> plans.Made | str:
        """Make and judge the call of a plan's step, or say why nobody can allow it."""
        call = plan.another(step.tool, step.arguments)
        if call is None or call.tool.name == plans.NAME:
            return f"there is no such call of {step.tool}"
        call = await _placed(call)
        judgement = await self.judge(call)
        do, why = await rules.verdict(self.settings, call, judgement)
        if judgement.refusal or do == "deny":
            return f"nobody can allow {step.tool}: {judgement.refusal or why}"
        return call, judgement

    def _labelled(self, result: ToolResult, call: ToolCall, judgement: Judgement) -> ToolResult:
        """What a command fetched is the text of whom it was fetched from."""
        if judgement.reaches and result.source.startswith("terminal:"):
            source = f"web:{judgement.reaches[0] or 'somewhere'}"
            result = msgspec.structs.replace(result, source=source)
        self._heard.note(call.request.session.id, result.source, result.text)
        return result

    async def _unasked(self, call: ToolCall, judgement: Judgement, do: str, why: str) -> str | None:
        """Say why *call* needs no question, or None."""
        grant = call.request.grant
        if grant is not None and grant.digest == call.digest:
            return grant.why or f"granted by {grant.by}"
        if not call.tool.needs:
            return "it needs nothing"
        if call.authority.yolo and judgement.readable:
            return "the person asked for no questions (--yolo)"
        if do == "allow" and judgement.readable:
            return why
        if self.settings.read_workspace and await workspace.only_reads_inside(call):
            return "it reads inside the workspace"
        if self._only_looks(call, judgement):
            return "it only looks at the workspace"
        if await self._only_writes(call, judgement):
            return "it changes the workspace"
        for given in await self._allowances(call) if judgement.readable else ():
            if await allowance.covers(given, call, judgement, self._clock()):
                return f"allowance {given.id}"
        if self.settings.mode == "off" and judgement.readable and await self._isolated(call):
            return "it stays inside an isolated terminal"
        return None

    async def _allowances(self, call: ToolCall) -> tuple[Allowance, ...]:
        """Give what was allowed beforehand and stands: the turn's, the conversation's, the
        person's, the surface's, the holder's that it is for. But for the first a guest has none.
        """
        authority = call.authority
        runtime: Any = self._context.runtime
        if runtime is None:  # none is open: in a test of this plugin alone
            return authority.allowances
        grants = runtime.grants
        carried: tuple[Allowance, ...] = await grants.stand(authority.allowances)
        if authority.role == "guest":
            return carried
        holders = (
            f"session:{call.request.session.id}",
            f"person:{authority.person}",
            f"surface:{authority.surface}",
        )
        named = (authority.holder,) if authority.holder else ()
        return (*carried, *await grants.of(*holders, *named, text=authority.text))

    def _only_looks(self, call: ToolCall, judgement: Judgement) -> bool:
        """Its commands were read, and change nothing."""
        if not judgement.understood or judgement.objections or judgement.writes:
            return False
        return self.settings.read_workspace and call.authority.role != "guest"

    async def _only_writes(self, call: ToolCall, judgement: Judgement) -> bool:
        """It changes files inside the workspace, for a person who is there and said how much."""
        authority = call.authority
        if not self.settings.write_workspace or authority.role == "guest" or not authority.can_ask:
            return False
        if untrusted(call.request.sources):
            return False
        if judgement.understood:
            return not judgement.objections
        return await workspace.only_writes_inside(call)

    async def _isolated(self, call: ToolCall) -> bool:
        terminal = await workspace.terminal_of(call) if call.tool.needs <= IN_TERMINAL else None
        return terminal is not None and terminal.isolated

    async def _asked(self, call: ToolCall, judgement: Judgement, rule: str) -> str | ToolResult:
        """Say why *call* may run: by an earlier answer or a new one. Else the result to give."""
        if not rule:
            permission = await self.standing.find(call, judgement.environment)
            if permission is not None:
                return f"allowed before ({permission.lasts})"
        if not call.authority.can_ask:
            return ToolResult.error(wording.nobody(call, judgement.objections, rule))
        if self.settings.mode == "smart" and not rule:
            seconds = self.settings.smart_timeout
            if await smart.approves(call, judgement, seconds, self._redact, self._log):
                return "a small model found it ordinary (approvals.mode: smart)"
        asker = self._heard.who_asked(call)
        text = wording.question(call, self._redact, judgement, rule, asker)
        reply = await call.ask(
            Question(
                text,
                CHOICES,
                purpose="approval",
                about=call.request.id,
                digest=call.digest,
                seconds=self.settings.timeout,
            )
        )
        return await self._decide(call, judgement, reply)

    async def _decide(self, call: ToolCall, judgement: Judgement, reply: Reply) -> str | ToolResult:
        said = reply.by or "the person who was asked"
        match reply.choice:
            case "once":
                return f"allowed once by {said}"
            case "session" | "always" as lasts:
                await self.standing.give(call, lasts, self._redact, judgement.environment)
                return f"allowed ({lasts}) by {said}"
        self._log.info("denied", tool=call.request.tool, by=reply.by)
        return ToolResult.error(wording.denied(call, reply))


async def _placed(call: ToolCall) -> ToolCall:
    """Say where *call* really runs. Before its terminal is open only the conversation's folder is
    known, which another machine may not have; what is judged and allowed must be what runs.
    """
    request = call.request
    known = request.directory != request.session.directory
    if known or not call.tool.needs or not call.tool.needs <= IN_TERMINAL:
        return call
    terminal = await workspace.terminal_of(call)
    return call if terminal is None else call.replace(directory=terminal.state.directory)


def _unknown_context(call: ToolCall) -> str:
    """Say what is not known of who asks; empty where all is."""
    authority = call.authority
    if authority.role not in get_args(Role):
        return f"the role {authority.role!r}"
    if not authority.surface or not authority.person:
        return "who asks for it"
    return "" if call.request.session.id else "the conversation that asks for it"
