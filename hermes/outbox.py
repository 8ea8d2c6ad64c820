"""The durable queue of what is to be sent, and each platform's home chat (§5).

A reply is put there in the commit that ends its turn; a message that answers none (a reminder,
``hermes send``) by `Outbox.put`, from any process of the home. The gateway sends what is there.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from hermes.control import ask
from hermes.errors import HermesError, NotFound
from hermes.identity import new_id
from hermes.paths import HomePaths
from hermes.platform import Outgoing, Part
from hermes.session import SessionKey
from hermes.store import Change, Enqueue, SetState, Store

QUEUE = "outbox"
NO_HOME = "{platform} has no home chat: give /sethome in the one that it shall be"


class Parcel(msgspec.Struct, frozen=True):
    """An item of the queue."""

    key: str
    outgoing: Outgoing
    draft: str = ""
    """Id of a message that shows a draft of it; its first part replaces that."""
    parts: tuple[Part, ...] | None = None
    """Ready to send; None until made."""
    sent: tuple[str, ...] = ()
    """Ids of the parts that the platform took."""
    attempting: bool = False
    """The next part may or may not have been sent."""
    doubtful: bool = False
    """A draft may be shown whose id nobody knows: unless it is found, the reply repeats it."""


class Sent(msgspec.Struct, frozen=True):
    """What became of a message."""

    end: str = ""
    """``delivered``, ``delivered:repeated``, ``delivered:unknown`` or ``failed``; empty while it
    waits."""
    ids: tuple[str, ...] = ()
    """The platform's ids of its parts."""
    why: str = ""
    """Why it failed, or what it waits for."""


def enqueue(parcel: Parcel) -> Change:
    """Put something into the outbox: committed with what makes it true."""
    return Enqueue(QUEUE, parcel.key, msgspec.json.encode(parcel))


async def home_of(store: Store, platform: str) -> SessionKey | None:
    """Give the chat of *platform* that gets what nobody asked for (``/sethome``)."""
    kept = await store.state("process", "", f"hermes/home/{platform}")
    return msgspec.json.decode(kept, type=SessionKey) if kept else None


def release(parcel: Parcel, folder: Path) -> None:
    """Remove the copies of a parcel's files, which *folder* holds: it has its end."""
    for each in parcel.outgoing.attachments:
        if Path(each.path).parent == folder:
            Path(each.path).unlink(missing_ok=True)


class Sender(Protocol):
    """The gateway of this process, as the outbox knows it."""

    def post(self, parcel: Parcel) -> None: ...

    async def ended(self, key: str, seconds: float) -> Sent: ...


class Outbox:
    """Puts messages that answer none into the queue."""

    def __init__(self, store: Store, paths: HomePaths) -> None:
        self._store = store
        self._paths = paths
        self.sender: Sender | None = None
        """Set by a gateway in this process."""

    async def put(self, outgoing: Outgoing, *, key: str = "") -> str:
        """Keep *outgoing* until it is sent, copies of its files too; give its key. Durable when it
        returns.

        A `SessionKey` without a chat means the platform's home; NotFound where it has none. The
        same *key* again is the same message: it is not sent twice. Raises HermesError for a file
        that cannot be read.
        """
        if not outgoing.key.chat:
            home = await self.home(outgoing.key.platform)
            if home is None:
                raise NotFound(NO_HOME.format(platform=outgoing.key.platform))
            outgoing = msgspec.structs.replace(outgoing, key=home)
        parcel = Parcel(key or new_id(), outgoing)
        if outgoing.attachments:
            parcel = await asyncio.to_thread(self._with_copies, parcel)
        await self._store.commit((enqueue(parcel),))
        if key and not await self._store.pending(QUEUE, keys=(key,)):
            release(parcel, self._paths.outgoing)  # it was sent before
        elif self.sender is not None:
            self.sender.post(parcel)
        return parcel.key

    async def wait(self, key: str, seconds: float = 30.0) -> Sent:
        """Wait until a message is sent or given up, for *seconds* at most.

        Whether by the gateway of this process or by another one; where none runs it waits for one.
        """
        if self.sender is not None:
            return await self.sender.ended(key, seconds)
        answer: dict[str, Any] | None = await ask(
            self._paths.run, "send", seconds=seconds + 5, key=key, within=seconds
        )
        if answer is None:
            return Sent(why="no gateway runs")
        return msgspec.convert(answer, Sent)

    async def served(self) -> bool:
        """Whether a gateway runs that would send it now."""
        return self.sender is not None or await ask(self._paths.run, "ping") is not None

    def _with_copies(self, parcel: Parcel) -> Parcel:
        """Copy files into the home: a message may go out after the originals have changed."""
        copies = []
        for number, each in enumerate(parcel.outgoing.attachments):
            copy = self._paths.outgoing / f"{quote(parcel.key, safe='')}-{number}"
            try:
                shutil.copyfile(each.path, copy)
            except OSError as error:
                raise HermesError(f"{each.path} cannot be read: {error.strerror}") from None
            name = each.name or Path(each.path).name
            copies.append(msgspec.structs.replace(each, path=str(copy), name=name))
        outgoing = msgspec.structs.replace(parcel.outgoing, attachments=tuple(copies))
        return msgspec.structs.replace(parcel, outgoing=outgoing)

    async def home(self, platform: str) -> SessionKey | None:
        """Give the chat of *platform* that gets what nobody asked for; None where none is set."""
        return await home_of(self._store, platform)

    async def set_home(self, key: SessionKey) -> None:
        """Make *key*'s chat its platform's home."""
        key = msgspec.structs.replace(key, person="")  # it is the chat that counts
        name = f"hermes/home/{key.platform}"
        await self._store.commit((SetState("process", "", name, msgspec.json.encode(key)),))
