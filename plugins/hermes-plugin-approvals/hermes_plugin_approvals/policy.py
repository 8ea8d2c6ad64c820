"""Gives grants: the only thing between a model's wish and a tool that runs (architecture §10).

In this order: some commands are refused whoever asks; what needs nothing, reads inside the
workspace, is covered by an allowance or by a permission given before is granted; a person is asked
about the rest; where nobody can be asked the answer is no, with the mend. A grant is for exactly
one call: tool, arguments, directory and backend. Anything this module does not understand is asked
about.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from hermes import (
    Middleware,
    Next,
    PluginContext,
    Question,
    Reply,
    Stage,
    ToolCall,
    ToolResult,
)
from hermes_plugin_approvals import allowance, hardline, wording, workspace
from hermes_plugin_approvals.settings import Settings
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
        self._clock = clock
        self._log = context.log
        self._redact = context.secrets.redact
        # Two calls of one answer with the same bytes are one question, not two.
        self._asking: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        reason = hardline.refusal(call)
        if reason:
            self._log.warning("refused for ever", tool=call.request.tool, reason=reason)
            return ToolResult.error(wording.refused(call, reason))
        why = await self._unasked(call)
        if why is None:
            asking = self._asking.setdefault((call.request.session.id, call.digest), asyncio.Lock())
            async with asking:
                answer = await self._asked(call)
            if isinstance(answer, ToolResult):
                return answer
            why = answer
        return await call_next(call.granted(NAME, why))

    async def _unasked(self, call: ToolCall) -> str | None:
        """Say why *call* needs no question, or None."""
        grant = call.request.grant
        if grant is not None and grant.digest == call.digest:
            return grant.why or f"granted by {grant.by}"
        if not call.tool.needs:
            return "it needs nothing"
        if call.authority.yolo:
            return "the person asked for no questions (--yolo)"
        if self.settings.read_workspace and await workspace.only_reads_inside(call):
            return "it reads inside the workspace"
        for given in call.authority.allowances:
            if await allowance.covers(given, call, self._clock()):
                return f"allowance {given.id}"
        if self.settings.mode == "off" and await self._isolated(call):
            return "it stays inside an isolated terminal"
        return None

    async def _isolated(self, call: ToolCall) -> bool:
        terminal = await workspace.terminal_of(call) if call.tool.needs <= IN_TERMINAL else None
        return terminal is not None and terminal.isolated

    async def _asked(self, call: ToolCall) -> str | ToolResult:
        """Say why *call* may run: by an earlier answer or a new one. Else the result to give."""
        permission = await self.standing.find(call)
        if permission is not None:
            return f"allowed before ({permission.lasts})"
        if not call.authority.can_ask:
            return ToolResult.error(wording.nobody(call))
        text = wording.question(call, self._redact)
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
        return await self._decide(call, reply)

    async def _decide(self, call: ToolCall, reply: Reply) -> str | ToolResult:
        said = reply.by or "the person who was asked"
        match reply.choice:
            case "once":
                return f"allowed once by {said}"
            case "session" | "always" as lasts:
                await self.standing.give(call, lasts, self._redact)
                return f"allowed ({lasts}) by {said}"
        self._log.info("denied", tool=call.request.tool, by=reply.by)
        return ToolResult.error(wording.denied(call, reply))
