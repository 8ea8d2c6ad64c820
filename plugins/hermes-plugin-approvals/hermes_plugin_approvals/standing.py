"""Permissions that outlive one call: for a conversation, or for good.

Each is for exactly one digest (tool, arguments, directory, backend) and one person. ``session``
ones go with the conversation, ``always`` ones with the person; both are durable before the call
they were given for runs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from hermes import State, ToolCall
from hermes_plugin_approvals import wording

Lasts: TypeAlias = Literal["session", "always"]
LIMIT = 200
"""Permissions kept of each kind; the oldest go first, and are asked about again."""
SIZE = 60_000
"""Bytes that they may take: a state value has 64 KB."""


class Permission(msgspec.Struct, frozen=True):
    """One thing that may run again without a question."""

    digest: str
    tool: str
    subject: str
    """What it does, for a list; secrets left out."""
    where: str
    person: str
    given: int
    """UTC microseconds."""
    lasts: Lasts = "always"
    environment: str = ""
    """Hash of what the command inherited when it was allowed."""

    @property
    def id(self) -> str:
        """What a person types to take it back."""
        return self.digest[:8]


class Standing:
    """Keeps and finds permissions in the plugin's state."""

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock
        self._writing = asyncio.Lock()

    async def find(self, call: ToolCall, environment: str = "") -> Permission | None:
        """Give the permission that covers *call* to the byte, in just this environment."""
        person, session = call.authority.person, call.request.session.id
        for permission in (*await self.session(session), *await self.always(person)):
            if permission.digest == call.digest and permission.person == person:
                return permission if permission.environment == environment else None
        return None

    async def give(
        self, call: ToolCall, lasts: Lasts, redact: Callable[[str], str], environment: str = ""
    ) -> None:
        """Keep a permission for exactly *call*."""
        new = Permission(
            call.digest,
            call.request.tool,
            wording.cut(redact(wording.subject(call)), 200),
            wording.where(call),
            call.authority.person,
            int(self._clock() * 1_000_000),
            lasts,
            environment,
        )
        of = call.request.session.id if lasts == "session" else call.authority.person
        async with self._writing:
            kept = await self._read(lasts, of)
            others = [one for one in kept if (one.digest, one.person) != (new.digest, new.person)]
            await self._write(lasts, of, [*others, new][-LIMIT:])

    async def session(self, session: str) -> list[Permission]:
        """List what was allowed for a conversation, oldest first."""
        return await self._read("session", session)

    async def always(self, person: str) -> list[Permission]:
        """List what a person allowed for good, oldest first."""
        return await self._read("always", person)

    async def revoke(
        self, lasts: Lasts, of: str, person: str, digest: str = ""
    ) -> list[Permission]:
        """Take back those of *person* whose digest begins with *digest*; give what went."""
        async with self._writing:
            kept = await self._read(lasts, of)
            gone = [p for p in kept if p.person == person and p.digest.startswith(digest)]
            if gone:
                await self._write(lasts, of, [one for one in kept if one not in gone])
        return gone

    async def _read(self, lasts: Lasts, of: str) -> list[Permission]:
        if not of:
            return []
        scope: Any = "session" if lasts == "session" else "person"
        kept = await self._state.get(lasts, scope=scope, of=of)
        try:
            return msgspec.convert(kept or [], list[Permission])
        except msgspec.ValidationError:
            return []  # not ours to understand: asked about again

    async def _write(self, lasts: Lasts, of: str, permissions: list[Permission]) -> None:
        scope: Any = "session" if lasts == "session" else "person"
        while len(msgspec.json.encode(permissions)) > SIZE:
            permissions = permissions[1 + len(permissions) // 20 :]
        value = msgspec.to_builtins(permissions) or None
        await self._state.set(lasts, value, scope=scope, of=of)
