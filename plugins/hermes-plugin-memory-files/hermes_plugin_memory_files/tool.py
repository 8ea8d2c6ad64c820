"""The tool `memory`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from hermes import ONCE, HermesError, Lane, Question, ToolCall, ToolResult, tool
from hermes_plugin_memory_files.book import Book, Target
from hermes_plugin_memory_files.changing import (
    Action,
    NeedsConsent,
    Operation,
    Source,
    apply,
)
from hermes_plugin_memory_files.project import project_of
from hermes_plugin_memory_files.settings import read
from hermes_plugin_memory_files.sidecar import Confidence


@tool(effect=ONCE, needs=frozenset(), lane=Lane("memory"), paths=lambda arguments: ())
async def memory(
    action: Action | None = None,
    target: Annotated[
        Target, "user: who the person is. project: this folder's. memory: all else"
    ] = "memory",
    content: str = "",
    old_text: Annotated[str, "For replace, remove: part of the entry, or its label"] = "",
    always: Annotated[bool | None, "Keep it in every prompt"] = None,
    expires: Annotated[str, "YYYY-MM-DD after which it no longer holds"] = "",
    confidence: Confidence = "high",
    operations: Annotated[tuple[Operation, ...], "Several changes: all are made, or none"] = (),
    *,
    call: ToolCall,
) -> ToolResult:
    """Keep what later conversations need: preferences, corrections, facts of the person or project
    that last. Replace what changed instead of adding. Not progress of the task, no secrets.
    """
    asked = operations
    if action is not None:
        one = Operation(action, target, content, old_text, always, expires, confidence)
        asked = (one, *operations)
    if not asked:
        return ToolResult.error("Say an action (add, replace, remove), or operations.")
    if call.context.incognito:
        return ToolResult.error("Not kept: this conversation is incognito, and nothing of it is.")
    session = call.request.session
    home = call.context.paths.home
    settings = read(call.settings, call.context.config)
    book = Book(home, call.authority.memory, settings)
    source = Source("model", session.id, call.request.turn, session.surface)
    project = project_of(session.directory, home)
    if settings.write_approval and not call.authority.yolo and not await _approved(call, asked):
        return ToolResult.error("Not kept: the person wants to be asked, and did not allow it.")
    try:
        try:
            change = partial(apply, book, asked, source, project)
            said = await asyncio.to_thread(change, consent=call.authority.yolo)
        except NeedsConsent as needed:
            if not await _consents(call, asked, needed):
                raise
            said = await asyncio.to_thread(change, consent=True)
    except HermesError as error:
        return ToolResult.error(str(error))
    return ToolResult(said)


async def _approved(call: ToolCall, asked: Sequence[Operation]) -> bool:
    """Ask the person whether this may be remembered (``write_approval``)."""
    if not call.authority.can_ask:
        return False
    lines = [f"  {each.action} {each.old_text} {each.content}".rstrip() for each in asked]
    text = "Hermes wants to change what it remembers:\n" + "\n".join(lines)
    question = Question(text, ("once", "deny"), purpose="approval", about=call.request.id)
    return not (await call.ask(question)).denied


async def _consents(call: ToolCall, asked: Sequence[Operation], needed: NeedsConsent) -> bool:
    """Ask the person about a change of what they wrote."""
    if not call.authority.can_ask:
        return False
    old = "\n".join(f"  {text}" for text in needed.entries)
    new = "\n".join(f"  {each.content}" for each in asked if each.content) or "  (nothing)"
    text = f"Hermes wants to change what you wrote in your memory:\n{old}\nto:\n{new}"
    question = Question(text, ("once", "deny"), purpose="approval", about=call.request.id)
    return not (await call.ask(question)).denied
