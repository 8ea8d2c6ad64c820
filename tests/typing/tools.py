"""What a checker tells somebody who writes a tool."""

from __future__ import annotations

from typing import Annotated

from hermes import KEYED, READ, Lane, Question, Tool, ToolCall, ToolResult, tool


@tool
async def plain(city: str) -> str:
    return city


@tool(effect=READ, needs={"network"}, lane=Lane("weather"))
async def forecast(city: Annotated[str, "City name"], days: int = 3, *, call: ToolCall) -> str:
    reveal_type(call.request.arguments)  # R: dict[str, Any]
    reveal_type(call.request.session.id)  # R: str
    terminal = await call.terminal()
    reveal_type(terminal)  # R: hermes.terminal.Terminal
    reply = await call.ask(Question("Sure?", ("yes", "no")))
    reveal_type(reply.choice)  # R: str
    await call.ask("Sure?")  # E: incompatible type "str"; expected "Question"
    call.granted()  # E: Missing positional argument "by"
    call.arguments  # E: "ToolCall" has no attribute "arguments"
    return city * days


@tool(effect=KEYED)
async def structured(call: ToolCall) -> ToolResult:
    return ToolResult(5)  # E: incompatible type "int"; expected "str"


reveal_type(plain)  # R: hermes.tools.Tool
reveal_type(forecast)  # R: hermes.tools.Tool
reveal_type(plain.spec.name)  # R: str
plain.effect = READ  # E: Property "effect" defined in "Tool" is read-only


@tool  # E: expected "Callable[..., Awaitable[Any]]"
def not_async(city: str) -> str:
    return city


tool(effect="read")  # E: No overload variant
tool(needs={"netwrok"})  # E: incompatible type "Literal['netwrok']"
tool(lanes="x")  # E: did you mean "lane"?


def every(tools: list[Tool]) -> None:
    tools[0].run  # the one gate runs it: tests/test_one_gate.py
