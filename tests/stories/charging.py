"""A program for crash tests: one turn whose calls leave traces outside, resumed after each kill.

    python charging.py HOME             run, or go on with, the one conversation of HOME

The scripted model asks for [read, charge, stamp], then answers. ``charge`` is `ONCE`, ``stamp`` is
`KEYED`, ``read`` is `READ`; each adds a line to a file outside the journal, as a bank would.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from hermes.events import TurnFinished
from hermes.killpoint import reach
from hermes.middleware import Middleware, Next, Stage
from hermes.session import Authority
from hermes.testing import make_context, make_key
from hermes.testing.answers import Call, Say
from hermes.testing.provider import ScriptedProvider
from hermes.testing.runtime import open_runtime
from hermes.tools import ALONE, KEYED, ONCE, READ, TOGETHER, ToolCall, ToolResult, tool
from hermes.turn import Question
from hermes_plugin_sqlite.store import SQLiteStore

HOME = Path(sys.argv[1])


def trace(line: str) -> None:
    with (HOME / "traces").open("a", encoding="utf-8") as file:
        file.write(line + "\n")


@tool(effect=READ, needs=set(), lane=TOGETHER)
async def read(*, call: ToolCall) -> str:
    """Read."""
    trace(f"read {call.request.id}")
    return "read"


@tool(effect=ONCE, needs=set(), lane=ALONE)
async def charge(*, call: ToolCall) -> str:
    """Charge the card."""
    reach("effect.before")
    trace(f"charge {call.request.id}")
    reach("effect.after")
    return "charged"


@tool(effect=KEYED, needs=set(), lane=ALONE)
async def stamp(*, call: ToolCall) -> str:
    """Stamp, with a key."""
    trace(f"stamp {call.request.key}")
    return "stamped"


class Asks(Middleware):
    """Asks before charging; the person says yes whenever asked."""

    stage = Stage.GUARD

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        if call.request.tool == "charge":
            reply = await call.ask(
                Question("Charge?", ("once", "deny"), "approval", call.request.id, call.digest)
            )
            trace(f"approved {call.request.id}")
            if reply.denied:
                return ToolResult.error("denied")
        return await call_next(call.granted("asks"))


async def main() -> None:
    answer = Say(calls=(Call("read"), Call("charge"), Call("stamp")))

    def script(request: object) -> object:
        messages = request.spec.messages  # type: ignore[attr-defined]
        trace("model")
        return "Done." if messages[-1].role == "tool" else answer

    provider = ScriptedProvider(*[script] * 10)
    store = SQLiteStore(make_context("sqlite", home=HOME))
    me = Authority("test", role="owner", can_ask=True)
    async with open_runtime(
        HOME, provider=provider, store=store, tools=[read, charge, stamp], middleware=[Asks()]
    ) as runtime:
        conversation = runtime.session(make_key("charging"))
        info = await conversation.load()
        began = bool(info.head)
        events = (
            conversation.resume(authority=me) if began else conversation.send("go", authority=me)
        )
        async for event in events:
            kind = type(event).__name__
            if kind == "Asked":
                await runtime.answer(event.id, "once")  # type: ignore[union-attr]
            if isinstance(event, TurnFinished):
                print(event.status, event.reply)


asyncio.run(main())
