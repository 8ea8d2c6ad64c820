"""The contract of a messaging platform, and what goes in and out (§5, §6).

A platform only moves bytes: it turns what arrives into `Inbound` and hands it to the inbox, which
keeps it durably and drops repeats; it sends one `Part` when told to. Access, splitting, retrying
and bookkeeping are not its business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from hermes.messages import Image
from hermes.resource import Resource
from hermes.session import Account, Authority, PersonId, Role, SessionKey
from hermes.splitting import Unit, split_text


class Attachment(msgspec.Struct, frozen=True):
    """A file that came with a message, or one to send."""

    path: str
    """Where it lies here; empty for one that is only named yet (`remote`)."""
    media_type: str
    name: str = ""
    voice: bool = False
    remote: str = ""
    """The platform's own name of a file that `Platform.fetch` is to bring."""
    size: int = 0
    """Bytes, where the platform says so before it is fetched; 0 where it does not."""


class Inbound(msgspec.Struct, frozen=True):
    """One message from a person."""

    key: SessionKey
    id: str
    """The platform's own id: repeats of it are dropped."""
    sender: Account
    text: str
    images: tuple[Image, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    direct: bool = True
    """A private chat, or we were addressed by name."""
    group: bool = False
    """Others read this chat too: what is meant for one person is not said there."""
    reply_to: str = ""
    person: PersonId = ""
    """Who we think it is. Set in `receive`, never by a platform or a model."""
    role: Role | None = None
    """What they may do. Set in `receive`; while it is None nobody is let in."""
    bound: SessionKey | None = None
    """The key whose binding says which conversation this is, where that is not `key` itself (a
    person's chats that share one). Answers still go to `key`. Set in `receive`."""
    fresh: bool = False
    """A new conversation begins with this message (a reset policy). Set in `receive`; commands are
    given in the old one."""
    notice: str = ""
    """Shown to the sender before the answer, where the message is admitted. Set in `receive`."""
    answers: str = ""
    """Id of the question that a pressed button answers; `text` is then the choice."""
    time: int = 0
    """UTC microseconds, by the platform's clock."""
    album: str = ""
    """Messages of a chat that have the same one, and come one after the other, were sent as one
    (several pictures): they are worked on as one."""
    answer_to: SessionKey | None = None
    """Where the answer goes, where that is not where the message came from (the delivery target of
    a route). Then nothing of the turn is shown but the answer."""
    toolsets: tuple[str, ...] = ()
    """Only these, for its turn; empty means what the configuration enables. A route may set it."""
    verbatim: bool = False
    """Its text is the answer already (a route that only passes on): no turn begins. Counts only
    where the platform vouches for it."""
    vouched: bool = False
    """Its platform vouches for it, and `role` and `person` are those of `Platform.vouch`. Set by
    the gateway before `receive`."""

    @property
    def shared(self) -> PersonId:
        """The place, where all of a group have one conversation there; else empty."""
        if not self.group or self.key.person or self.vouched:
            return ""
        where = (self.key.platform, self.key.account, self.key.chat, self.key.thread)
        return ":".join(part for part in where if part)


class Admission(msgspec.Struct, frozen=True):
    """What became of an inbound message."""

    outcome: Literal["admitted", "refused", "command"]
    notice: str = ""
    """For the sender of a refused one; empty says nothing."""


class Outgoing(msgspec.Struct, frozen=True):
    """A reply on its way out."""

    key: SessionKey
    text: str
    attachments: tuple[Attachment, ...] = ()
    final: bool = True
    """False for a draft that a later one replaces."""
    reply_to: str = ""
    question: str = ""
    """Id of the question this puts, with its `choices`."""
    choices: tuple[str, ...] = ()


class Part(msgspec.Struct, frozen=True):
    """What one send carries. Nothing changes it after this."""

    key: SessionKey
    text: str = ""
    attachment: Attachment | None = None
    markup: str = ""
    """The platform's own (entities, blocks), as JSON text."""
    reply_to: str = ""
    question: str = ""
    """Id of the question this puts; a press comes back as `Inbound.answers`."""
    choices: tuple[str, ...] = ()
    """Buttons, where the platform has them; the text says how to answer without."""
    edits: str = ""
    """Id of an earlier message that this replaces."""
    token: str = ""
    """Unique; an idempotency key where the platform takes one."""


class Piece(msgspec.Struct, frozen=True):
    """As much of a reply's text as one message takes."""

    text: str
    markup: str = ""
    """Becomes `Part.markup`."""


class Receipt(msgspec.Struct, frozen=True):
    """The platform took a part."""

    id: str


class PlatformLimits(msgspec.Struct, frozen=True):
    """What a message may be."""

    length: int = 4096
    unit: Unit = "characters"
    edits: bool = False
    keyed: bool = False
    """Takes an idempotency key: a repeated send after a crash is not shown twice."""


class PlatformHealth(msgspec.Struct, frozen=True):
    """How the line to the far side is, for ``hermes gateway status``."""

    heard: int = 0
    """When it last answered anything, in UTC microseconds; a quiet line is still heard."""
    received: int = 0
    """Messages taken in since the process began."""
    sent: int = 0
    """Parts it took since then."""
    failures: int = 0
    """Attempts to receive that failed in a row; 0 while all is well."""
    problem: str = ""
    """What is wrong now, in one line."""


class Inbox(ABC):
    """Where a platform puts what arrives."""

    @abstractmethod
    async def put(self, messages: tuple[Inbound, ...], *, cursor: str = "") -> None:
        """Keep *messages* and the platform's *cursor* in one commit.

        Confirm them to the platform only after this returned.
        """

    @abstractmethod
    async def cursor(self) -> str:
        """Give the last cursor that was kept."""


MessageState: TypeAlias = Literal["queued", "working", "done", "failed"]
"""What became of a person's message, as far as it is shown on it."""


class Platform(Resource):
    """A messenger. One object per process and account."""

    limits: PlatformLimits = PlatformLimits()

    def missing(self) -> str:
        """Say what must be configured before it can run; empty where nothing is."""
        return ""

    @abstractmethod
    async def run(self, inbox: Inbox) -> None:
        """Receive until cancelled. Raising means "restart me"; an authentication failure, raised as
        `Failed`, stops this platform and says so.
        """

    @abstractmethod
    async def send(self, part: Part) -> Receipt:
        """Send one part. Raise `Failed`; a retryable one is tried again in order."""

    async def fetch(self, inbound: Inbound) -> Inbound:
        """Bring the files that a message only names: give it with paths, and with images for what a
        model can look at. One that cannot be had becomes a line of the text.

        Called once the sender was let in and before the rest of `receive`, again after a restart;
        meanwhile only that chat waits. A platform that fetches while it receives lets a stranger
        fill the disk, and one slow file hold up every chat.
        """
        return inbound

    async def recall(self, part: Part) -> str:
        """Give the id of a message that was sent as *part* by a process that died before it learned
        the id: by the part's token, or in the chat's history. Empty, as here, where there is none
        or nobody can tell. Asked after a restart, where `limits` say that messages can be edited.
        """
        return ""

    def format(self, text: str) -> tuple[Piece, ...]:
        """Make *text*, Markdown as models write it, into messages within `limits`.

        Called once for a reply, before its parts are kept, so it must be pure and quick. This one
        leaves the text as it is and cuts it well; a platform with markup of its own converts it.
        """
        return tuple(Piece(each) for each in split_text(text, self.limits.length, self.limits.unit))

    def vouch(self, inbound: Inbound) -> Authority | None:
        """Give the authority of a message that no person sent, but a program on a route that the
        owner configured, and that proved who it is. Such a message is no command and no answer.

        None, as here, for a person's message: then `receive` decides alone. Asked whenever a
        message is judged, after a restart again, so what is configured *now* counts.
        """
        return None

    def health(self) -> PlatformHealth | None:
        """Say how the line is; None where the platform does not know. Called at any time."""
        return None

    async def probe(self) -> str:
        """Ask the far side something that changes nothing; say in a few words what answered.

        For ``hermes gateway status --deep``. Raise what goes wrong. Empty, as here, where there is
        nothing to ask.
        """
        return ""

    async def typing(self, key: SessionKey) -> None:
        """Show that an answer is being made."""

    async def mark(self, key: SessionKey, message: str, state: MessageState) -> None:
        """Show on the person's message *message* (its `Inbound.id`) what became of it."""

    async def menu(self, commands: Sequence[tuple[str, str]]) -> None:
        """Show name and summary of each command where the platform has a menu for them."""
