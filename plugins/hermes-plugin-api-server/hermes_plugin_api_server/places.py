"""Which conversation a request belongs to.

With ``X-Hermes-Session-Id`` the client names it: a name of its own, or the id that an earlier
answer carried. Without, what the client sends as history is looked up by its hash among the answers
given before; where it is found, and nothing was said there since, the conversation goes on.
Anything else is a new one, whose first message carries the client's history as labelled text.

Only conversations that began here, for the same person, can be reached: not the terminal's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from starlette.datastructures import Headers

from hermes import SessionInfo, SessionKey
from hermes_plugin_api_server.errors import bad
from hermes_plugin_api_server.prompt import Prompt, fingerprint, labelled

if TYPE_CHECKING:
    from hermes.conversation import Conversation
    from hermes.runtime import Runtime

SURFACE = "api"
KNOWN = 10_000
"""Histories, and conversations with their instructions, that are remembered. Losing one is
harmless: the conversation begins anew with what the client sends."""
LONGEST = 256
"""Characters of a name that a client gives."""


@dataclass(frozen=True)
class Place:
    """A conversation, and what its next message has to bring along."""

    conversation: Conversation
    name: str
    """What the client calls it; where it gave no name, the conversation's id."""
    new: bool
    """It knows nothing yet."""
    said: str = ""
    """`X-Hermes-Session-Key`, said back."""


class Who(msgspec.Struct, frozen=True):
    """Who a request is from, as far as its headers say."""

    person: str
    session: str = ""
    key: str = ""


class Places:
    """Finds conversations, and remembers what it takes to find them again."""

    def __init__(self, runtime: Runtime, *, person: str, directory: str) -> None:
        self._runtime = runtime
        self._person = person
        self._directory = directory or str(Path.home())
        self._histories: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._told: OrderedDict[str, str] = OrderedDict()

    def who(self, headers: Headers) -> Who:
        """Read the headers. Raises `APIError` for a name that is none.

        A front end that serves many people tells them apart by ``X-Hermes-Session-Key``: each is a
        person of their own, with their own memory and permissions.
        """
        session = _name(headers, "x-hermes-session-id")
        key = _name(headers, "x-hermes-session-key")
        return Who(f"{self._person}/{key}" if key else self._person, session, key)

    async def named(self, who: Who, name: str) -> Place:
        """Give the conversation that the client calls *name*; begin it where there is none."""
        key = SessionKey(SURFACE, name, person=who.person)
        if len(name) == 36 and await self._runtime.store.bound(key) is None:
            conversation = await self.by_id(who, name)
            if conversation is not None:
                return Place(conversation, name, new=False, said=who.key)
        conversation = self._runtime.session(key, directory=self._directory)
        info = await conversation.load()
        return Place(conversation, name, new=not info.head, said=who.key)

    async def by_id(self, who: Who, id: str) -> Conversation | None:
        """Give a conversation that began here, for the same person."""
        info = await self._runtime.store.session(id)
        if info is None or not mine(info, who.person):
            return None
        return await self._runtime.conversation(id=id)

    async def fresh(self, who: Who) -> Place:
        """Begin a conversation that has no name."""
        # The key makes it a conversation of this surface and person; nobody looks it up by it.
        key = SessionKey(SURFACE, "", person=who.person)
        conversation = await self._runtime.conversation(key, new=True, directory=self._directory)
        return Place(conversation, conversation.info.id, new=True, said=who.key)

    async def matching(self, who: Who, prompt: Prompt) -> Place:
        """Give the conversation that holds what came before *prompt*, or a new one."""
        if prompt.history:
            # Taken out: of two requests that go on from one answer, the second is a branch.
            id, head = self._histories.pop(fingerprint(who.person, prompt), ("", 0))
            info = await self._runtime.store.session(id) if id else None
            if info is not None and info.head == head:
                conversation = await self._runtime.conversation(id=id)
                return Place(conversation, id, new=False, said=who.key)
        return await self.fresh(who)

    def remember(self, who: Who, prompt: Prompt, answer: str, info: SessionInfo) -> None:
        """Remember that *info* holds *prompt* with its *answer*, and nothing after it."""
        self._histories[fingerprint(who.person, prompt, answer)] = (info.id, info.head)
        while len(self._histories) > KNOWN:
            self._histories.popitem(last=False)

    def text(self, place: Place, prompt: Prompt) -> str:
        """Write the message for the conversation, with what it does not know yet.

        Clients repeat their instructions with every request; they go in when they are new.
        """
        id = place.conversation.info.id
        told = self._told.pop(id, "")
        self._told[id] = prompt.instructions or told
        while len(self._told) > KNOWN:
            self._told.popitem(last=False)
        return labelled(
            prompt, with_history=place.new, with_instructions=prompt.instructions != told
        )


def mine(info: SessionInfo, person: str) -> bool:
    """Whether a conversation is one that *person* had here."""
    return info.surface == SURFACE and info.person == person


def headers_of(place: Place, more: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Say in an answer which conversation it is of."""
    headers = {"x-hermes-session-id": place.name, **dict(more)}
    if place.said:
        headers["x-hermes-session-key"] = place.said
    return headers


def _name(headers: Headers, header: str) -> str:
    name = headers.get(header, "").strip()
    if len(name) > LONGEST or not name.isprintable():
        raise bad(f"{header} may have {LONGEST} printable characters.", param=header)
    return name
