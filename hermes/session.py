"""Where a conversation happens, which one it is, and who speaks with what authority.

A `SessionKey` is *where* (a chat, a terminal folder); a session id says *which* conversation. The
store binds keys to ids, so ``/new`` binds a new id and ``/resume`` an old one. An `Account` is what
a platform knows of somebody; a person is who we think it is (architecture §5.1).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

SessionId: TypeAlias = str
"""A UUIDv7: ids sort by the time they were made."""
PersonId: TypeAlias = str
Role: TypeAlias = Literal["guest", "user", "owner"]
"""What a person may do here, from least to most."""

ROLES: tuple[Role, ...] = ("guest", "user", "owner")
"""From least to most."""

OWNER: PersonId = "owner"
"""The person at the terminal of the machine that Hermes runs on."""


class SessionKey(msgspec.Struct, frozen=True):
    """Where a conversation happens."""

    platform: str
    """Name of the surface: ``cli``, ``telegram``, ``api``."""
    chat: str
    """The chat on that platform; for the terminal, what it was started for."""
    account: str = ""
    """Which of our accounts on the platform (a bot, a workspace), where there are several."""
    thread: str = ""
    person: PersonId = ""
    """Set where members of one chat have conversations of their own."""

    def __str__(self) -> str:
        return ":".join((self.platform, self.account, self.chat, self.thread, self.person))


class Account(msgspec.Struct, frozen=True):
    """Somebody as one platform knows them."""

    platform: str
    id: str
    name: str = ""


class Allowance(msgspec.Struct, frozen=True):
    """What a person allowed beforehand: given when a job, a route or an API key was made (§10)."""

    id: str
    needs: frozenset[str] = frozenset()
    tools: tuple[str, ...] = ()
    """Tool names; empty means every tool whose needs are covered."""
    folders: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    until: int | None = None
    """UTC microseconds."""
    why: str = ""
    calls: tuple[str, ...] = ()
    """`ToolCall.digest` of exact calls; empty means any that the other bounds cover."""
    once: bool = False
    """Each of `calls` once and in this order: a plan. Policy keeps how far it is."""


class HeldAllowance(msgspec.Struct, frozen=True):
    """An allowance, who holds it, and who gave it."""

    holder: str
    allowance: Allowance
    by: PersonId
    given: int
    """UTC microseconds."""
    bound: str = ""
    """Hash of the text that it was given for (a job's, a route's); another text does not have it.
    Empty: it is for the holder, whatever that says."""

    @property
    def id(self) -> str:
        return self.allowance.id


class Authority(msgspec.Struct, frozen=True):
    """Who is behind a turn and what they may do. Set once, by the surface that starts the turn."""

    surface: str
    person: PersonId = OWNER
    role: Role = "user"
    can_ask: bool = False
    """Somebody can answer a question now. Where nobody can, the answer is "deny" at once."""
    allowances: tuple[Allowance, ...] = ()
    holder: str = ""
    """Who else's grants count (``route:github``): policy looks at each call which stand."""
    text: str = ""
    """What that holder does (a route's prompt), for grants that were given for it alone."""
    yolo: bool = False
    """The person asked not to be asked (``--yolo``). Policy decides what that still leaves out."""
    group: bool = False
    """Others read the answers: what is known of one person alone is not said there."""
    place: SessionKey | None = None
    """The messenger's chat that the answer goes to, for what is sent there besides; None where
    whoever listens shows what happens."""
    shared: PersonId = ""
    """The place itself, where a group has one conversation together."""

    @property
    def memory(self) -> PersonId:
        """Whose memory counts: the person's; where a group shares the conversation, its own, since
        what is remembered of one of them is not for the others.
        """
        return self.shared or self.person


class SessionInfo(msgspec.Struct, frozen=True):
    """What is known of a conversation without reading it."""

    id: SessionId
    title: str = ""
    surface: str = ""
    person: PersonId = OWNER
    directory: str = ""
    """The workspace: where its terminal starts and what "inside" means to a policy."""
    parent: SessionId = ""
    """The conversation it was forked from or that started it as a sub-agent."""
    created: int = 0
    """UTC microseconds."""
    updated: int = 0
    records: int = 0
    head: int = 0
    """Sequence number of the last record; 0 where there is none."""
    open_turn: str = ""
    """Id of a turn that has not ended."""


def allows(role: Role, needed: Role) -> bool:
    """Whether *role* is at least *needed*."""
    return ROLES.index(role) >= ROLES.index(needed)
