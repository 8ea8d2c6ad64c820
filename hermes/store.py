"""The contract of the journal (§7).

There is one way to write: `Store.commit`, all or nothing, durable when it returns. Commits that
wait at the same time are grouped into one, so that many small ones are cheap; each still succeeds
or fails alone.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from hermes.context import Scope
from hermes.records import Record
from hermes.resource import Resource
from hermes.session import PersonId, SessionId, SessionInfo, SessionKey


class Append(msgspec.Struct, frozen=True):
    """Add records at the end of a conversation, which begins with its first.

    To one that was forgotten nothing can be added: `StoreError`.
    """

    session: SessionId
    records: tuple[Record, ...]
    after: int | None = None
    """The head this follows on; another raises `Conflict`. None follows on whatever is there."""
    owner: str = ""
    """Holder of the lease ``session:<id>``; when somebody else holds it, `Conflict`. Each
    acquisition has an owner of its own, which makes this the fencing token."""


class Describe(msgspec.Struct, frozen=True):
    """Set what is known of a conversation; None leaves a field as it is."""

    session: SessionId
    title: str | None = None
    """Names one conversation: one that another has is a `StoreError` that says which is free.
    Empty takes it away."""
    surface: str | None = None
    person: PersonId | None = None
    directory: str | None = None
    parent: SessionId | None = None


class Bind(msgspec.Struct, frozen=True):
    """From now on *key* means conversation *session*."""

    key: SessionKey
    session: SessionId


class Enqueue(msgspec.Struct, frozen=True):
    """Put an item into a durable queue. A key that was ever in it is dropped without error."""

    queue: str
    key: str
    item: bytes


class Settle(msgspec.Struct, frozen=True):
    """An item's one end; settled items are remembered (for `Enqueue`) and no longer pending.

    A second end of another name raises `Conflict`, an item that was never there `StoreError`.
    *end* empty changes only the item. Only the key of a settled item is kept.
    """

    queue: str
    key: str
    end: str
    item: bytes | None = None
    """Replaces the item where *end* is empty."""


class SetState(msgspec.Struct, frozen=True):
    """Keep a small value; None removes it."""

    scope: Scope
    of: str
    name: str
    value: bytes | None
    until: int | None = None
    """UTC microseconds after which it reads as absent."""


class Lease(msgspec.Struct, frozen=True):
    """Take, renew (same owner) or give back (*until* 0) a lease. Held by another: `Conflict`."""

    name: str
    owner: str
    until: int
    """UTC microseconds."""


Change: TypeAlias = Append | Describe | Bind | Enqueue | Settle | SetState | Lease
"""What `Store.commit` takes."""


class Item(msgspec.Struct, frozen=True):
    """A pending item of a queue."""

    key: str
    item: bytes
    time: int = 0
    """UTC microseconds when it was put in."""


class Hit(msgspec.Struct, frozen=True):
    """A record that a search found."""

    session: SessionId
    seq: int
    role: str
    snippet: str
    """Text around the match."""
    time: int = 0
    title: str = ""


class StoreStats(msgspec.Struct, frozen=True):
    """How much there is."""

    sessions: int
    records: int
    size: int
    """Bytes on disk."""
    version: int
    """Of the schema."""
    library: str = ""
    """Of the database, for a person to read."""
    commits: int = 0
    """Transactions made durable by this process, each one wait for the disk."""


Order: TypeAlias = Literal["newest", "oldest"]
"""From which end a search looks."""


class Store(Resource):
    """Keeps everything that must outlive the process."""

    @abstractmethod
    async def commit(self, changes: Sequence[Change]) -> None:
        """Make all *changes* durable, or none.

        Raises `Conflict` (another head, another owner) or `StoreError`. A cancelled caller's commit
        may still happen.
        """

    @abstractmethod
    async def records(
        self, session: SessionId, after: int = 0, limit: int | None = None
    ) -> list[Record]:
        """Give the records with a sequence number above *after*, in order."""

    @abstractmethod
    async def session(self, session: SessionId) -> SessionInfo | None:
        """Describe one conversation; None where there is none, or it was forgotten."""

    @abstractmethod
    async def sessions(
        self,
        *,
        person: PersonId | None = None,
        surface: str | None = None,
        open_turns: bool = False,
        before: int | None = None,
        limit: int = 100,
    ) -> list[SessionInfo]:
        """List conversations that have begun, last updated first; children only with *open_turns*.

        With *open_turns* only those with an open turn, of sub-agents too.

        *before*: only those last updated before that time (UTC microseconds).
        """

    @abstractmethod
    async def find(self, text: str, *, person: PersonId | None = None) -> list[SessionInfo]:
        """Find conversations whose id is or begins with *text*, or whose title is *text*."""

    @abstractmethod
    async def bound(self, key: SessionKey) -> SessionId | None:
        """Give the conversation that *key* means."""

    async def keys(self, session: SessionId) -> tuple[SessionKey, ...]:
        """Give the keys that mean a conversation now: the chats it is in.

        A store that cannot tell gives none; then a chat's conversations share no terminal.
        """
        return ()

    @abstractmethod
    async def pending(
        self, queue: str, limit: int | None = None, keys: Sequence[str] | None = None
    ) -> list[Item]:
        """List the unsettled items of a queue, oldest first; only those of *keys*, if given."""

    @abstractmethod
    async def state(self, scope: Scope, of: str, name: str) -> bytes | None:
        """Give a small value that is there and has not expired."""

    @abstractmethod
    async def lease(self, name: str) -> Lease | None:
        """Say who holds a lease now; None when nobody does or it lapsed."""

    @abstractmethod
    async def erase(self, sessions: Sequence[SessionId], why: str) -> int:
        """Forget conversations: payloads, index entries, state, title and bindings go, sequence
        numbers and tombstones (`Erased`) stay. Says how many records were blanked. A conversation
        with a held lease raises `Conflict`, and then none is forgotten.
        """

    @abstractmethod
    async def erase_text(
        self, text: str, why: str, *, person: PersonId | None = None
    ) -> list[SessionId]:
        """Forget *text* (`hermes.mentions`): the turns that hold it, prompts, summaries, titles and
        state values, of *person*'s conversations or, where None, of all.

        Records are blanked as by `erase`, and each conversation that lost some ends with one more
        tombstone, so that whoever holds it in memory reads it anew. Gives those conversations. One
        with a held lease raises `Conflict`, and then nothing is forgotten.
        """

    @abstractmethod
    async def stats(self) -> StoreStats:
        """Count what there is."""

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
        """Find records by words, best first, among the newest 2,000 hits (*order*: or the oldest);
        beyond them by *before* (UTC µs).

        A store without an index raises NotImplementedError.
        """
        raise NotImplementedError

    async def check(self) -> list[str]:
        """Look for damage; give a line for each thing wrong."""
        return []
