"""What comes in, kept before it is confirmed, and each message once (§5, §7).

An inbound message is an item of the durable queue ``inbox`` under the platform's own id, so a
repeat (of a webhook, of an update after a crash) is dropped for as long as the journal remembers.
An item's ends are ``answered``, ``refused``, ``command``, ``steered``, ``joined`` (what it brought
goes on in the first message of its album) and ``dropped``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from hermes.identity import now
from hermes.killpoint import reach
from hermes.platform import Inbound, Inbox
from hermes.store import Change, Enqueue, SetState, Settle, Store

QUEUE = "inbox"
DRAFTING = "?"
"""Stands for a draft's id while it is being sent."""


class Entry(msgspec.Struct, frozen=True):
    """An item of the queue."""

    inbound: Inbound
    session: str = ""
    """The conversation whose turn took it; empty until then."""
    draft: str = ""
    """Id of the message that shows the answer as it grows; `DRAFTING` while it is being sent."""


def entry_key(inbound: Inbound) -> str:
    """Name an inbound message among all of all platforms."""
    return f"{inbound.key.platform}:{inbound.key.account}:{inbound.key.chat}:{inbound.id}"


def draft_token(key: str) -> str:
    """Name the draft of the answer to an inbound message, as `Part.token` names what is sent."""
    return f"{key}:draft"


def taken(inbound: Inbound, session: str, draft: str = "") -> Change:
    """Say which conversation took it: committed with its user record."""
    entry = Entry(inbound, session, draft)
    return Settle(QUEUE, entry_key(inbound), "", msgspec.json.encode(entry))


def settled(inbound: Inbound, end: str) -> Change:
    """Give it its one end."""
    return Settle(QUEUE, entry_key(inbound), end)


def joined(messages: Sequence[Inbound]) -> tuple[Inbound, tuple[Change, ...]]:
    """Make one message of an album's; give it and what says so, to be committed together."""
    first, *others = messages
    whole = msgspec.structs.replace(
        first,
        text="\n".join(each.text for each in messages if each.text),
        images=tuple(image for each in messages for image in each.images),
        attachments=tuple(file for each in messages for file in each.attachments),
        direct=any(each.direct for each in messages),
    )
    return whole, (taken(whole, ""), *(settled(each, "joined") for each in others))


async def waiting(
    store: Store, keys: tuple[str, ...] | None = None, *, before: int | None = None
) -> list[Entry]:
    """List what came in and has no end yet, oldest first; only what is older than *before*."""
    items = await store.pending(QUEUE, keys=keys)
    return [
        msgspec.json.decode(item.item, type=Entry)
        for item in items
        if before is None or item.time < before
    ]


class DurableInbox(Inbox):
    """The inbox of one platform."""

    def __init__(
        self,
        platform: str,
        store: Store,
        arrived: Callable[[Entry], None],
        redact: Callable[[str], str] = str,
    ) -> None:
        """*redact* takes out of a message what is not to be kept."""
        self._platform = platform
        self._store = store
        self._arrived = arrived
        self._redact = redact
        self.heard = 0
        """Messages taken in."""
        self.last = 0
        """When the last one was, in UTC microseconds."""

    async def put(self, messages: tuple[Inbound, ...], *, cursor: str = "") -> None:
        """Keep *messages* and *cursor* in one commit, then let them be worked on."""
        reach("inbox.fetched")
        messages = tuple(
            msgspec.structs.replace(message, text=self._redact(message.text))
            for message in messages
        )
        changes: list[Change] = [
            Enqueue(QUEUE, entry_key(message), msgspec.json.encode(Entry(message)))
            for message in messages
        ]
        if cursor:
            changes.append(SetState("process", "", self._cursor, cursor.encode()))
        if changes:
            await self._store.commit(changes)
        reach("inbox.kept")
        if messages:
            self.heard, self.last = self.heard + len(messages), now()
        # Only what is really pending: a repeat of an answered message is not.
        keys = tuple(entry_key(message) for message in messages)
        for entry in await waiting(self._store, keys) if keys else ():
            self._arrived(entry)

    async def cursor(self) -> str:
        kept = await self._store.state("process", "", self._cursor)
        return kept.decode() if kept else ""

    @property
    def _cursor(self) -> str:
        return f"hermes/cursor/{self._platform}"
