"""The tool `todo`: the conversation's task list, kept in its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from hermes import KEYED, Lane, ToolCall, ToolResult, tool

MOST = 256
"""Items of a list."""
LONGEST = 4_000
"""Characters of an item."""
ROOM = 60_000
"""Bytes of a whole list: a state value may have 64 KB."""

Status = Literal["pending", "in_progress", "completed", "cancelled"]
MARKS: Mapping[Status, str] = {
    "pending": "[ ]",
    "in_progress": "[>]",
    "completed": "[x]",
    "cancelled": "[-]",
}


class Item(msgspec.Struct, frozen=True):
    """One thing to do."""

    id: str
    content: str = ""
    status: Status = "pending"


class Change(msgspec.Struct, frozen=True):
    """An item; what is left out stays as it is."""

    id: str
    content: str = ""
    status: Status | None = None


@tool(effect=KEYED, needs=frozenset(), lane=Lane("todo"), paths=lambda arguments: ())
async def todo(
    todos: Annotated[tuple[Change, ...] | None, "Leave out to read the list"] = None,
    merge: Annotated[bool, "Change by id, keep the others"] = False,
    *,
    call: ToolCall,
) -> ToolResult:
    """Keep this conversation's task list, for work of several steps. Gives it back whole."""
    session = call.request.session.id
    state = call.context.state
    kept = msgspec.convert(await state.get("todos", scope="session", of=session) or [], list[Item])
    if todos is None:
        return ToolResult(told(kept))
    # Done again with the same key, both give the same list: that makes the tool KEYED.
    items = changed(kept if merge else (), todos)
    if error := problem(items):
        return ToolResult.error(error)
    value: list[Any] | None = [msgspec.to_builtins(item) for item in items] or None
    await state.set("todos", value, scope="session", of=session)
    return ToolResult(told(items))


def changed(items: Sequence[Item], changes: Sequence[Change]) -> list[Item]:
    """Apply *changes* by id; of several with one id, each to what the one before left."""
    by_id = {item.id: item for item in items}
    for change in changes:
        old = by_id.get(change.id, Item(change.id))
        content = change.content.strip() or old.content
        by_id[change.id] = Item(change.id, content, change.status or old.status)
    return list(by_id.values())


def problem(items: Sequence[Item]) -> str:
    """Say why *items* cannot be kept; empty where they can."""
    if len(items) > MOST:
        return f"The list would have {len(items)} items; at most {MOST} are kept. Drop done ones."
    for item in items:
        if not item.id.strip() or not item.content:
            return f"Item {item.id!r} needs an id and content."
        if len(item.content) > LONGEST or len(item.id) > 200:
            return f"Item {item.id[:50]!r} is too long; content may have {LONGEST} characters."
    size = len(msgspec.json.encode(items))
    if size > ROOM:
        return f"The whole list would have {size} bytes; at most {ROOM} are kept. Shorten it."
    return ""


def told(items: Sequence[Item]) -> str:
    """The list as text, and how far it is."""
    if not items:
        return "The list is empty."
    lines = [f"{MARKS[item.status]} {item.id}: {item.content}" for item in items]
    counts = {status: sum(item.status == status for item in items) for status in MARKS}
    said = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return "\n".join([*lines, f"({len(items)} items: {said})"])
