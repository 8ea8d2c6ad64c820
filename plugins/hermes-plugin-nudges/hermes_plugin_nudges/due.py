"""What waits to be looked back at: an item of a durable queue, so that it outlives the process."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import msgspec

from hermes import Conflict, Enqueue, Lease, Role, Settle, StoreError

if TYPE_CHECKING:
    from hermes.store import Store

QUEUE = "nudges"
HOLD = 900_000_000
"""Microseconds that a look back may take before another process may begin it anew."""


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation to look back at, and why."""

    session: str
    turn: str
    why: tuple[str, ...]
    """``complex`` (many tool calls), ``turns`` (many messages), ``failed`` (a skill led wrong),
    ``asked`` (a person wants it)."""
    failed: tuple[str, ...] = ()
    """Skills that were read before a tool's error."""
    person: str = ""
    role: Role = "user"
    group: bool = False
    model: str = ""
    """``provider:name`` of the conversation."""
    tokens: int = 0
    """What the turn took."""

    def change(self) -> Enqueue:
        """Give what puts it into the queue; twice for one turn is once."""
        return Enqueue(QUEUE, self.turn, msgspec.json.encode(self))


async def waiting(store: Store) -> list[Due]:
    """List what waits, oldest first. What cannot be read is of a newer program, and left alone."""
    found = []
    for item in await store.pending(QUEUE):
        try:
            found.append(msgspec.json.decode(item.item, type=Due))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return found


async def taken(store: Store, due: Due) -> str:
    """Take one for this process; give the lease's owner, empty where another works on it."""
    owner = f"nudges {uuid.uuid4()}"
    until = time.time_ns() // 1000 + HOLD
    try:
        await store.commit((Lease(f"{QUEUE}:{due.turn}", owner, until),))
    except Conflict:
        return ""
    return owner


async def done(store: Store, due: Due, owner: str, end: str) -> None:
    """Say how it ended, once and for all; *end* empty puts it back."""
    changes = [Settle(QUEUE, due.turn, end)] if end else []
    try:
        await store.commit((*changes, Lease(f"{QUEUE}:{due.turn}", owner, 0)))
    except (Conflict, StoreError):
        return
