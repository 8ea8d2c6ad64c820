"""What Hermes asks of Honcho, on its SDK. Imported when Honcho is used."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import honcho  # type: ignore[import-untyped]

from hermes import Failed, Failure, clean, mentions

T = TypeVar("T")
KEPT = 256
"""Peers and sessions that are remembered; making one again costs a request."""
LONGEST = 24_000
"""Characters of a message that Honcho is given."""
PAGES = 20
"""Of conclusions and messages that are looked through to forget something."""


class Client:
    """One workspace of one Honcho."""

    def __init__(self, base_url: str, key: str, workspace: str, ai: str, timeout: float) -> None:
        self._honcho = honcho.Honcho(
            api_key=key or None,
            base_url=base_url,
            workspace_id=named(workspace),
            timeout=timeout,
            max_retries=0,  # asking again is for whoever asks
        )
        self._ai = named(ai)
        self._peers: dict[str, Any] = {}
        self._sessions: dict[str, Any] = {}

    async def close(self) -> None:
        client = getattr(self._honcho, "_async_http_client", None)
        if client is not None:
            await client.close()

    async def context(self, person: str, about: str, conclusions: int) -> str:
        """Give what is known of *person* that has to do with *about*."""
        peer = await self._peer(person)
        found = await said(
            peer.aio.context(
                search_query=clean(about)[:2000] or None,
                search_top_k=conclusions,
                max_conclusions=conclusions,
            )
        )
        return "\n".join([*(found.peer_card or []), found.representation or ""]).strip()

    async def tell(self, person: str, session: str, message: str, reply: str) -> None:
        """Add a turn to what Honcho thinks about."""
        peer, ai = await self._peer(person), await self._peer("", self._ai)
        there = await self._session(session, [peer, ai])
        pair = [(peer, message), (ai, reply)]
        texts = [each.message(clean(text)[:LONGEST]) for each, text in pair if text.strip()]
        await said(there.aio.add_messages(texts))

    async def card(self, person: str) -> list[str]:
        return await said((await self._peer(person)).aio.get_card()) or []

    async def search(self, person: str, query: str, limit: int) -> list[str]:
        """Find messages of *person*, as text with their day."""
        found = await said((await self._peer(person)).aio.search(query, limit=limit))
        return [f"{message.created_at:%Y-%m-%d}: {message.content}" for message in found]

    async def reason(self, person: str, query: str, session: str) -> str:
        """Let Honcho think about *person*: its dialectic answer."""
        peer = await self._peer(person)
        return await said(peer.aio.chat(query)) or ""

    async def conclude(self, person: str, content: str, session: str) -> None:
        peer = await self._peer(person)
        await said(peer.conclusions.aio.create([{"content": content}]))

    async def forget(self, person: str, about: str) -> int:
        """Delete what holds *about*: conclusions, lines of the card, and, since Honcho deletes no
        single message, the sessions with messages that hold it. Counts them.
        """
        peer = await self._peer(person)
        gone = 0
        for each in await _all(peer.conclusions.aio.list):
            if mentions(each.content, about):
                await said(peer.conclusions.aio.delete(each.id))
                gone += 1
        card = await self.card(person)
        kept = [line for line in card if not mentions(line, about)]
        if len(kept) < len(card):
            await said(peer.aio.set_card(kept))
            gone += len(card) - len(kept)
        for session in dict.fromkeys(
            message.session_id
            for message in await said(peer.aio.search(about, limit=100))
            if mentions(message.content, about)
        ):
            await said((await self._session(session, [peer])).aio.delete())
            self._sessions.pop(session, None)
            gone += 1
        return gone

    async def _peer(self, person: str, id: str = "") -> Any:
        id = id or named(person)
        if id not in self._peers:
            _bound(self._peers)
            self._peers[id] = await said(self._honcho.aio.peer(id))
        return self._peers[id]

    async def _session(self, session: str, peers: Sequence[Any]) -> Any:
        id = named(session)
        if id not in self._sessions:
            _bound(self._sessions)
            self._sessions[id] = await said(self._honcho.aio.session(id, peers=list(peers)))
        return self._sessions[id]


async def said(asked: Awaitable[T]) -> T:
    """Wait for Honcho; what went wrong is raised as `Failed`, in a line that names the mend."""
    try:
        return await asked
    except honcho.HonchoError as error:
        status = getattr(error, "status", None) or getattr(error, "status_code", None)
        if status in (401, 403):
            why = "Honcho refuses the key: set HONCHO_API_KEY (or honcho.api_key)"
            raise Failed(Failure("auth", why, "honcho", status)) from None
        raise Failed(Failure("transient", f"Honcho: {error}", "honcho", status)) from None


async def _all(page: Callable[..., Awaitable[Any]]) -> list[Any]:
    found: list[Any] = []
    for number in range(1, PAGES + 1):
        some = await said(page(page=number, size=50))
        found += some.items
        if number >= (some.pages or 1):
            break
        await asyncio.sleep(0)
    return found


def _bound(kept: dict[str, Any]) -> None:
    while len(kept) >= KEPT:
        del kept[next(iter(kept))]


def named(text: str) -> str:
    """Give *text* as Honcho takes ids: letters, digits, ``_`` and ``-``; the same for the same."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", text)[:80]
    if plain == text and text:
        return text
    return f"{plain.strip('-') or 'id'}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
