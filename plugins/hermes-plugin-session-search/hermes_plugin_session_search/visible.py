"""Which conversations whoever asks may see (§5.1: search goes by the person)."""

from __future__ import annotations

from hermes import NotFound, SessionInfo, Store, ToolCall


class Visible:
    """What one call may see.

    A person's own conversations. In a chat that others read, what is said there must not come from
    elsewhere: only conversations of that very chat, whoever held them, since all could read those.
    """

    def __init__(self, call: ToolCall, store: Store) -> None:
        self._store = store
        self._here = call.request.session
        self._person = call.authority.person
        self._group = call.authority.group
        self._known: dict[str, SessionInfo | None] = {}
        self._chats: frozenset[tuple[str, str, str]] | None = None
        self._mine: frozenset[str] | None = None

    @property
    def person(self) -> str | None:
        """Whose conversations the store is asked for; None where the chat decides."""
        return None if self._group else self._person

    async def get(self, id: str) -> SessionInfo | None:
        """Give a conversation that may be seen and is not this one, nor one of its own family."""
        if id not in self._known:
            self._known[id] = await self._allowed(id)
        return self._known[id]

    async def need(self, text: str) -> SessionInfo:
        """Give the one conversation whose id begins so. Raises `NotFound`, for a hidden one too."""
        found = [
            info
            for each in await self._store.find(text.strip(), person=self.person)
            if (info := await self._allowed(each.id)) is not None
        ]
        if len(found) != 1:
            said = "no conversation" if not found else f"{len(found)} conversations"
            raise NotFound(f"{said} {text!r}; session_search without arguments lists them")
        return found[0]

    async def _allowed(self, id: str) -> SessionInfo | None:
        info = await self._store.session(id)
        if info is None or info.parent or id in await self._lineage():
            return None
        if not self._group:
            return info if info.person == self._person else None
        return info if await self._chats_of(id) & await self._chats_here() else None

    async def _lineage(self) -> frozenset[str]:
        """This conversation and those that it came from."""
        if self._mine is None:
            seen, info = set[str](), self._here
            while info.id not in seen:
                seen.add(info.id)
                above = await self._store.session(info.parent) if info.parent else None
                info = above or info
            self._mine = frozenset(seen)
        return self._mine

    async def _chats_here(self) -> frozenset[tuple[str, str, str]]:
        if self._chats is None:
            self._chats = await self._chats_of(self._here.id)
        return self._chats

    async def _chats_of(self, id: str) -> frozenset[tuple[str, str, str]]:
        keys = await self._store.keys(id)
        return frozenset((key.platform, key.account, key.chat) for key in keys)
