"""A whole `Store` in memory: fast, and as strict as the ones on disk.

It keeps records as the bytes that a disk would, so what could not be written there is refused here.
"""

from __future__ import annotations

import copy
import itertools
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hermes.context import Scope
from hermes.errors import Conflict, StoreError
from hermes.records import (
    Ended,
    Erased,
    Opened,
    Record,
    Steered,
    UserSaid,
    decode,
    encode,
    mentions,
    searchable,
)
from hermes.session import PersonId, SessionId, SessionInfo, SessionKey
from hermes.store import (
    Append,
    Bind,
    Change,
    Describe,
    Enqueue,
    Hit,
    Item,
    Lease,
    Order,
    SetState,
    Settle,
    Store,
    StoreStats,
)


class Row(msgspec.Struct, frozen=True):
    """A record as it lies in a table."""

    turn: str
    kind: str
    version: int
    payload: bytes
    time: int

    def record(self, seq: int) -> Record:
        return Record(self.turn, decode(self.kind, self.version, self.payload), seq, self.time)


class Conversation(msgspec.Struct):
    """One conversation and what is known of it."""

    info: SessionInfo
    child: bool = False
    rows: list[Row] = []
    erased: bool = False


class Entry(msgspec.Struct, frozen=True):
    """An item of a queue, settled or not."""

    item: bytes
    time: int
    end: str = ""


class MemoryDisk:
    """What outlives a `MemoryStore`: give it to the next one to play a restart."""

    def __init__(self) -> None:
        self.conversations: dict[SessionId, Conversation] = {}
        self.bindings: dict[SessionKey, SessionId] = {}
        self.queues: dict[str, dict[str, Entry]] = {}
        self.states: dict[tuple[Scope, str, str], SetState] = {}
        self.leases: dict[str, Lease] = {}
        self.commits = 0


class MemoryStore(Store):
    """Everything a `Store` can do, for as long as its disk is held."""

    def __init__(
        self, disk: MemoryDisk | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.disk = disk or MemoryDisk()
        self._clock = clock

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)

    async def commit(self, changes: Sequence[Change]) -> None:
        self.apply(changes)

    def apply(self, changes: Sequence[Change]) -> None:
        """Make all changes or none, at once: for a store that keeps a log and plays it back."""
        # Changes are made to a copy that becomes the disk when all of them succeeded.
        draft = copy.copy(self.disk)
        for name in ("conversations", "bindings", "queues", "states", "leases"):
            setattr(draft, name, dict(getattr(draft, name)))
        for change in changes:
            self._apply(draft, change)
        draft.commits += 1
        self.disk.__dict__.update(draft.__dict__)

    def _apply(self, disk: MemoryDisk, change: Change) -> None:
        match change:
            case Append():
                self._append(disk, change)
            case Describe():
                self._describe(disk, change)
            case Bind():
                disk.bindings[change.key] = change.session
            case Enqueue():
                queue = disk.queues[change.queue] = dict(disk.queues.get(change.queue, {}))
                queue.setdefault(change.key, Entry(change.item, self._now()))
            case Settle():
                self._settle(disk, change)
            case SetState():
                disk.states[change.scope, change.of, change.name] = change
            case Lease():
                self._lease(disk, change)

    def _conversation(self, disk: MemoryDisk, session: SessionId) -> Conversation:
        """Give the conversation, made if need be, as a copy that may be changed."""
        kept = disk.conversations.get(session)
        if kept is None:
            now = self._now()
            kept = Conversation(SessionInfo(session, created=now, updated=now))
        if kept.erased:
            raise StoreError(f"session {session} was forgotten: start a new one")
        draft = Conversation(kept.info, kept.child, list(kept.rows), kept.erased)
        disk.conversations[session] = draft
        return draft

    def _append(self, disk: MemoryDisk, change: Append) -> None:
        lease = self._held(disk, f"session:{change.session}")
        if change.owner and lease is not None and lease.owner != change.owner:
            raise Conflict(f"session {change.session}: the lease is held by {lease.owner}")
        conversation = self._conversation(disk, change.session)
        head = len(conversation.rows)
        if change.after is not None and change.after != head:
            raise Conflict(f"session {change.session}: the head is {head}, not {change.after}")
        for record in change.records:
            self._add(conversation, record)

    def _add(self, conversation: Conversation, record: Record) -> None:
        info, body, now = conversation.info, record.body, record.time or self._now()
        try:
            kind, version, payload = encode(body)
        except UnicodeEncodeError as error:
            raise StoreError(f"session {info.id}: not valid text: {error}") from None
        changes: dict[str, Any] = {"updated": max(now, info.updated)}
        if not conversation.rows:
            changes |= {"created": now, "updated": now}
        if isinstance(body, (UserSaid, Steered)) and record.turn:
            changes["open_turn"] = record.turn
        elif isinstance(body, Ended) and record.turn == info.open_turn:
            changes["open_turn"] = ""
        elif isinstance(body, Opened):
            conversation.child = body.relation == "child"
            changes["parent"] = info.parent or body.parent
        conversation.rows.append(Row(record.turn, kind, version, payload, now))
        count = len(conversation.rows)
        conversation.info = msgspec.structs.replace(info, records=count, head=count, **changes)

    def _describe(self, disk: MemoryDisk, change: Describe) -> None:
        conversation = self._conversation(disk, change.session)
        given = {
            name: value
            for name in ("title", "surface", "person", "directory", "parent")
            if (value := getattr(change, name)) is not None
        }
        if change.title:
            self._check_title(disk, change.title, change.session)
        conversation.info = msgspec.structs.replace(conversation.info, **given)

    def _check_title(self, disk: MemoryDisk, title: str, session: SessionId) -> None:
        """A title names one conversation; the error says which name is free."""
        taken = {k.info.title for k in disk.conversations.values() if k.info.id != session}
        if title in taken:
            free = next(n for n in itertools.count(2) if f"{title} #{n}" not in taken)
            raise StoreError(f'"{title}" is a title already; free is "{title} #{free}"')

    def _settle(self, disk: MemoryDisk, change: Settle) -> None:
        queue = disk.queues[change.queue] = dict(disk.queues.get(change.queue, {}))
        entry = queue.get(change.key)
        if entry is None:
            raise StoreError(f"queue {change.queue}: there is no item {change.key!r}")
        if entry.end and change.end not in ("", entry.end):
            raise Conflict(f"queue {change.queue}: {change.key!r} ended as {entry.end}")
        item = entry.item if change.item is None else change.item
        queue[change.key] = Entry(item, entry.time, change.end or entry.end)

    def _lease(self, disk: MemoryDisk, change: Lease) -> None:
        held = self._held(disk, change.name)
        if held is not None and held.owner != change.owner:
            raise Conflict(f"lease {change.name}: held by {held.owner}")
        disk.leases[change.name] = change

    def _held(self, disk: MemoryDisk, name: str) -> Lease | None:
        lease = disk.leases.get(name)
        return lease if lease is not None and lease.until > self._now() else None

    async def records(
        self, session: SessionId, after: int = 0, limit: int | None = None
    ) -> list[Record]:
        conversation = self.disk.conversations.get(session)
        rows = conversation.rows if conversation else []
        end = None if limit is None else after + limit
        return [row.record(seq) for seq, row in enumerate(rows[after:end], after + 1)]

    async def session(self, session: SessionId) -> SessionInfo | None:
        conversation = self.disk.conversations.get(session)
        return conversation.info if conversation and not conversation.erased else None

    async def sessions(
        self,
        *,
        person: PersonId | None = None,
        surface: str | None = None,
        open_turns: bool = False,
        before: int | None = None,
        limit: int = 100,
    ) -> list[SessionInfo]:
        found = [
            kept.info
            for kept in self.disk.conversations.values()
            if not kept.erased
            and kept.rows
            and person in (None, kept.info.person)
            and surface in (None, kept.info.surface)
            and (bool(kept.info.open_turn) if open_turns else not kept.child)
            and (before is None or kept.info.updated < before)
        ]
        found.sort(key=lambda info: (info.updated, info.id), reverse=True)
        return found[:limit]

    async def find(self, text: str, *, person: PersonId | None = None) -> list[SessionInfo]:
        return [
            kept.info
            for kept in self.disk.conversations.values()
            if not kept.erased
            and person in (None, kept.info.person)
            and text
            and (kept.info.id.startswith(text) or kept.info.title == text)
        ]

    async def bound(self, key: SessionKey) -> SessionId | None:
        return self.disk.bindings.get(key)

    async def keys(self, session: SessionId) -> tuple[SessionKey, ...]:
        return tuple(key for key, bound in self.disk.bindings.items() if bound == session)

    async def pending(
        self, queue: str, limit: int | None = None, keys: Sequence[str] | None = None
    ) -> list[Item]:
        entries = self.disk.queues.get(queue, {}).items()
        asked = None if keys is None else set(keys)
        return [
            Item(key, e.item, e.time)
            for key, e in entries
            if not e.end and (asked is None or key in asked)
        ][:limit]

    async def state(self, scope: Scope, of: str, name: str) -> bytes | None:
        kept = self.disk.states.get((scope, of, name))
        if kept is None or (kept.until is not None and kept.until <= self._now()):
            return None
        return kept.value

    async def lease(self, name: str) -> Lease | None:
        return self._held(self.disk, name)

    async def erase(self, sessions: Sequence[SessionId], why: str) -> int:
        return self.blank(sessions, why)

    def blank(self, sessions: Sequence[SessionId], why: str) -> int:
        """Forget, at once; see `apply`."""
        for session in sessions:
            if held := self._held(self.disk, f"session:{session}"):
                raise Conflict(f"session {session}: the lease is held by {held.owner}")
        return sum(self._erase(session, why) for session in sessions)

    def _erase(self, session: SessionId, why: str) -> int:
        kept = self.disk.conversations.get(session)
        if kept is None or kept.erased:
            return 0
        kind, version, payload = encode(Erased(why=why))
        rows = [Row(row.turn, kind, version, payload, row.time) for row in kept.rows]
        info = msgspec.structs.replace(kept.info, title="", open_turn="")
        self.disk.conversations[session] = Conversation(info, kept.child, rows, erased=True)
        self.disk.states = {
            key: value for key, value in self.disk.states.items() if key[:2] != ("session", session)
        }
        self.disk.bindings = {k: v for k, v in self.disk.bindings.items() if v != session}
        return len(rows)

    async def erase_text(
        self, text: str, why: str, *, person: PersonId | None = None
    ) -> list[SessionId]:
        found = {
            id: [row.kind != Erased.kind and mentions(row.payload, text) for row in kept.rows]
            for id, kept in self.disk.conversations.items()
            if not kept.erased and person in (None, kept.info.person)
        }
        touched = [id for id, marks in found.items() if any(marks)]
        for session in touched:
            if held := self._held(self.disk, f"session:{session}"):
                raise Conflict(f"session {session}: the lease is held by {held.owner}")
        for session in touched:
            self._blank(session, found[session], why)
        for id in found:
            kept = self.disk.conversations[id]
            if mentions(kept.info.title, text):
                kept.info = msgspec.structs.replace(kept.info, title="")
        mine = {"session": found.keys(), "person": {person}}
        self.disk.states = {
            key: state
            for key, state in self.disk.states.items()
            if not (
                (person is None or key[1] in mine.get(key[0], ())) and mentions(state.value, text)
            )
        }
        return touched

    def _blank(self, session: SessionId, marks: Sequence[bool], why: str) -> None:
        """Blank the marked rows of a conversation, with their whole turns, and add a tombstone."""
        kept = self.disk.conversations[session]
        turns = {row.turn for row, mark in zip(kept.rows, marks, strict=True) if mark and row.turn}
        kind, version, payload = encode(Erased(why=why))
        for place, (row, mark) in enumerate(zip(kept.rows, marks, strict=True)):
            if mark or row.turn in turns:
                kept.rows[place] = Row(row.turn, kind, version, payload, row.time)
        kept.rows.append(Row("", kind, version, payload, self._now()))
        count = len(kept.rows)
        open_turn = "" if kept.info.open_turn in turns else kept.info.open_turn
        kept.info = msgspec.structs.replace(
            kept.info, records=count, head=count, open_turn=open_turn
        )

    async def stats(self) -> StoreStats:
        everything = self.disk.conversations.values()
        conversations = [kept for kept in everything if kept.rows and not kept.erased]
        rows = [row for kept in conversations for row in kept.rows]
        size = sum(len(row.payload) for row in rows)
        return StoreStats(len(conversations), len(rows), size, 1, "memory", self.disk.commits)

    async def search(
        self,
        query: str,
        *,
        person: PersonId | None = None,
        session: SessionId | None = None,
        roles: Sequence[str] = ("user", "assistant"),
        limit: int = 20,
        before: int | None = None,
        order: Order = "newest",
    ) -> list[Hit]:
        words = re.sub(r'["\0]', " ", query).split()
        hits = [
            hit
            for kept in self.disk.conversations.values()
            if person in (None, kept.info.person) and session in (None, kept.info.id)
            for hit in _hits(kept, words, roles)
            if before is None or hit.time < before
        ]
        hits.sort(key=lambda hit: (hit.time, hit.session, hit.seq), reverse=order == "newest")
        return hits[:limit]


def _hits(kept: Conversation, words: list[str], roles: Sequence[str]) -> list[Hit]:
    """Find the records that hold every one of *words*."""
    patterns = [re.compile(_pattern(word), re.IGNORECASE) for word in words]
    hits = []
    for seq, row in enumerate(kept.rows, 1):
        role, text = searchable(row.record(seq).body)
        found = [pattern.search(text) for pattern in patterns]
        if role in roles and found and all(found):
            start = max(0, min(match.start() for match in found if match) - 60)
            snippet = text[start : start + 160]
            hits.append(Hit(kept.info.id, seq, role, snippet, row.time, kept.info.title))
    return hits


def _pattern(word: str) -> str:
    """Match *word* as a whole; in scripts that write none apart, anywhere."""
    if any(character >= "\u2e80" for character in word):
        return re.escape(word)
    return rf"(?<!\w){re.escape(word)}(?!\w)"
