"""Honcho's tools, as in Hermes Agent; there only where Honcho is the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from hermes import (
    ONCE,
    READ,
    HermesError,
    PluginContext,
    Tool,
    ToolCall,
    ToolResult,
    Toolset,
    tool,
)
from hermes_plugin_honcho.memory import HonchoMemory

if TYPE_CHECKING:
    from hermes_plugin_honcho.client import Client

OFTEN = 10
"""Messages that a search gives."""


@tool(effect=READ, needs={"network"}, paths=lambda arguments: ())
async def honcho_profile(*, call: ToolCall) -> ToolResult:
    """Give the short card of lasting facts that Honcho keeps of the person."""
    card = await (await _client(call)).card(call.authority.memory)
    return ToolResult("\n".join(card) or "Honcho has no card of this person yet.", source="honcho")


@tool(effect=READ, needs={"network"}, paths=lambda arguments: ())
async def honcho_search(query: str, *, call: ToolCall) -> ToolResult:
    """Search what the person said in any conversation, by meaning."""
    found = await (await _client(call)).search(call.authority.memory, query, OFTEN)
    return ToolResult("\n".join(found) or "Nothing was found.", source="honcho")


@tool(effect=ONCE, needs={"network", "spend"}, paths=lambda arguments: ())
async def honcho_reasoning(
    query: Annotated[str, "A question about the person, in plain words"], *, call: ToolCall
) -> ToolResult:
    """Let Honcho reason about the person: slower, and deeper than a search."""
    client = await _client(call)
    answer = await client.reason(call.authority.memory, query, call.request.session.id)
    return ToolResult(answer or "Honcho does not know.", source="honcho")


@tool(effect=ONCE, needs={"network"}, paths=lambda arguments: ())
async def honcho_conclude(
    conclusion: Annotated[str, "A lasting fact about the person"], *, call: ToolCall
) -> ToolResult:
    """Tell Honcho a lasting fact about the person."""
    client = await _client(call)
    await client.conclude(call.authority.memory, conclusion, call.request.session.id)
    return ToolResult("Honcho knows it now.")


class HonchoTools(Toolset):
    """The tools, where ``memory: honcho`` and recall is not ``context`` alone."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    def last_seen(self) -> tuple[Tool, ...]:
        kernel = self._context.config.section("hermes")
        if kernel.memory != "honcho" or self._context.incognito:
            return ()
        if self._context.settings is not None and self._context.settings.recall == "context":
            return ()
        return (honcho_profile, honcho_search, honcho_reasoning, honcho_conclude)

    async def tools(self) -> tuple[Tool, ...]:
        return self.last_seen()


async def _client(call: ToolCall) -> Client:
    for memory in await call.context.runtime.memories():
        if isinstance(memory, HonchoMemory):
            return memory.client
    raise HermesError("Honcho is not the memory here: `hermes config set memory honcho`")
