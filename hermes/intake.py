"""What came in, on its way from the inbox to its conversation (§5).

Every message is judged by `receive` when it is worked on, and judged again when a later process
takes it up: who was let in yesterday may be out today.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from hermes.attached import INLINE, fetched, told
from hermes.chain import Broken, compose, held_by
from hermes.errors import HermesError, one_line
from hermes.following import Following
from hermes.inbox import Entry, entry_key, settled, taken, waiting
from hermes.killpoint import reach
from hermes.lanes import Lanes
from hermes.mailbox import Busy, Letter
from hermes.middleware import Next, Stage
from hermes.outbox import Parcel, enqueue
from hermes.platform import Admission, Inbound, Outgoing, Platform
from hermes.session import Authority, SessionKey
from hermes.store import Change
from hermes.stream import Listener
from hermes.turn import TurnResult

if TYPE_CHECKING:
    from hermes.conversation import Conversation
    from hermes.gateway import Gateway

BROKEN = (
    "⚠️ Your message could not be taken in: the plugin {plugin} failed. Its owner's log says why."
)
UNDECIDED = "⚠️ Your message could not be taken in: it took too long. The owner's log says why."
NO_REASON = "⚠️ Your message was not answered, and nobody said why."
JUDGING = 300.0
"""Seconds that `receive` has for a message, a voice message or a command too."""
CLOSED = (
    "Nobody can talk to this bot yet: no plugin decides who may (pip install hermes-plugin-access)."
)


class Intake:
    """Works on what the inboxes keep: one after the other in each chat."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._runtime = gateway.runtime
        self._log = gateway.log
        self._settings: Any = gateway.settings
        self._receive: Next[Inbound, Admission] = self._chain(self._admit)
        self._lanes = Lanes(self._runtime.store, self._handle, gateway.spawn, self._log)
        self._posted: dict[SessionKey, asyncio.Event] = {}
        """Chat to whether the reply to the message that came last is in the outbox's line."""

    def _chain(
        self, innermost: Next[Inbound, Admission], *, fetches: bool = True
    ) -> Next[Inbound, Admission]:
        """Guards decide who gets in; files are fetched for those only, before others see them. A
        turn that goes on has them in the journal.
        """
        guards = [link for link in self._runtime.links if link.middleware.stage == Stage.GUARD]
        others = [link for link in self._runtime.links if link.middleware.stage != Stage.GUARD]
        inside: Next[Inbound, Admission] = compose("receive", others, innermost)

        async def fetch(inbound: Inbound) -> Admission:
            named = any(file.remote for file in inbound.attachments)
            if fetches and named and inbound.role is not None:
                inbound = await fetched(inbound, self._platform(inbound), self._log)
            return await inside(inbound)

        return compose("receive", guards, fetch)

    async def recover(self, before: int | None = None) -> None:
        """Take up what an earlier process left: interrupted turns first, then what waits. Later,
        with *before* (UTC µs), what is older and nobody works on: its end could not be kept.

        What came by a platform that does not run here waits for a start with it.
        """
        if self._gateway.stopping:
            return
        left = await waiting(self._runtime.store, before=before)
        here = [entry for entry in left if self._platform(entry.inbound) is not None]
        if before is None and len(here) < len(left):
            self._log.warning("messages wait for a platform", messages=len(left) - len(here))
        for entry in (entry for entry in here if entry.session and self._lanes.take(entry)):
            await self._take_up(entry)
        await self._gateway.delivery.recover(before)
        for entry in (entry for entry in here if not entry.session):
            self.arrived(entry)

    def arrived(self, entry: Entry) -> None:
        """Work on a message that is kept: one after the other in each chat."""
        if not self._gateway.stopping:
            self._lanes.put(entry)

    # -- judging ------------------------------------------------------------------------------

    async def _handle(self, inbound: Inbound) -> None:
        """Run one message through `receive`; what is refused gets its end here."""
        inbound, admission = await self._judge(inbound, self._receive)
        reach("inbox.received")
        if admission.outcome == "refused":
            await self.finish(inbound, "refused", admission.notice)

    async def _judge(
        self, inbound: Inbound, receive: Next[Inbound, Admission]
    ) -> tuple[Inbound, Admission]:
        """Let `receive` decide, from nothing: an earlier judgement counts no more."""
        authority = self._vouched(inbound)
        inbound = msgspec.structs.replace(
            inbound,
            vouched=authority is not None,
            role=authority.role if authority else None,
            person=authority.person if authority else "",
            bound=None,
            fresh=False,
            notice="",
        )
        try:
            async with asyncio.timeout(JUDGING):
                return inbound, await receive(inbound)
        except TimeoutError as late:
            self._log.error("message refused: no decision", held_by=held_by(late), seconds=JUDGING)
            return inbound, Admission("refused", UNDECIDED)
        except Broken as broken:
            # What broke is for the owner's log: whoever wrote may be a stranger.
            self._log.error("message refused", error=one_line(broken))
            return inbound, Admission("refused", BROKEN.format(plugin=broken.plugin))

    async def _admit(self, inbound: Inbound) -> Admission:
        """The innermost step of `receive`: an answer, a command, or a message for the mailbox."""
        if inbound.role is None:
            return Admission("refused", CLOSED)
        if not inbound.vouched:  # what a program sends is neither, however it begins
            if inbound.answers:
                return await self._gateway.orders.answer(inbound)
            if await self._gateway.orders.take(inbound):
                return Admission("command")
        elif inbound.verbatim:
            await self.finish(inbound, "answered", inbound.text)
            return Admission("admitted")
        conversation = self.conversation(inbound)
        if inbound.fresh:
            conversation = await conversation.new()
        if inbound.notice:
            self._gateway.say(inbound.key, inbound.notice)
        await self.post(inbound, await self._busy(inbound), conversation)
        return Admission("admitted")

    async def _take_up(self, entry: Entry) -> None:
        """Go on with an interrupted turn, if whoever caused it may still talk to us."""
        resume = self._chain(partial(self._readmit, entry), fetches=False)
        inbound, admission = await self._judge(entry.inbound, resume)
        if admission.outcome == "refused":
            self._log.warning("interrupted turn not resumed", sender=inbound.sender.id)
            letter = self._letter(inbound, entry, resume=True, refused=admission.notice)
            letter.cancelled.set()  # it must end, or the next message would go on with it
            self._runtime.mailbox(entry.session).put(letter)

    async def _readmit(self, entry: Entry, inbound: Inbound) -> Admission:
        if inbound.role is None:
            return Admission("refused", CLOSED)
        self._gateway.orders.expect_questions(inbound, entry.session)
        letter = self._letter(inbound, entry, resume=True)
        self._runtime.mailbox(entry.session).put(letter)
        return Admission("admitted")

    def authority(self, inbound: Inbound) -> Authority:
        """What the sender of a message may do."""
        authority = self._vouched(inbound) or Authority(
            inbound.key.platform,
            person=inbound.person or inbound.sender.id,
            role=inbound.role or "guest",
            can_ask=True,
            group=inbound.group,
        )
        own = None if inbound.vouched else inbound.key  # a program hears no answer
        place = inbound.answer_to or own
        return msgspec.structs.replace(authority, place=place, shared=inbound.shared)

    def _vouched(self, inbound: Inbound) -> Authority | None:
        """What the platform vouches for, where no person sent the message."""
        platform = self._platform(inbound)
        if platform is None:
            return None
        try:
            return platform.vouch(inbound)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            self._log.error("nobody vouches for a message", error=one_line(error))
            return None

    # -- into the mailbox ---------------------------------------------------------------------

    async def post(
        self,
        inbound: Inbound,
        busy: Busy,
        conversation: Conversation | None = None,
        *,
        again: bool = False,
    ) -> None:
        """Put a message into its conversation's mailbox; *again* means that it asks for the one
        before once more.
        """
        conversation = conversation or self.conversation(inbound)
        info = await conversation.load()
        if inbound.attachments:
            text = await asyncio.to_thread(told, inbound, await self._room(conversation))
        else:
            text = told(inbound)
        letter = self._letter(inbound, Entry(inbound, info.id), text)
        letter.again = again
        self._runtime.mailbox(info.id).put(letter, busy)

    async def _room(self, conversation: Conversation) -> int:
        """Give the bytes that a file may have to be read at once: about a quarter of the window."""
        try:
            model = await self._runtime.models.info(await conversation.model())
        except HermesError:  # the turn will say so
            return INLINE
        return min(INLINE, model.window or INLINE)

    def conversation(self, inbound: Inbound) -> Conversation:
        """Give the conversation that a message belongs to."""
        directory = self._settings.directory or str(Path.home())
        where = inbound.bound or inbound.key
        person = inbound.shared or inbound.person
        return self._runtime.session(where, directory=directory, person=person)

    async def _busy(self, inbound: Inbound) -> Busy:
        """Say what a message does to a busy chat: as set for it (`/busy`), else as configured. What
        a program sends waits: each event is to be worked on.
        """
        if inbound.vouched:
            return "queue"
        chosen = await self._runtime.store.state("process", "", f"hermes/busy/{inbound.key}")
        return cast(Busy, chosen.decode() if chosen else self._settings.busy)

    def _letter(
        self,
        inbound: Inbound,
        entry: Entry,
        text: str = "",
        *,
        resume: bool = False,
        refused: str | None = None,
    ) -> Letter:
        """Make the letter of a message: what it commits when taken and when ended.

        *text* is what the model is told; a turn that goes on has it in the journal. *refused* is
        the notice to a sender who may not talk to us any more; his turn only ends.
        """
        shown_on = None if inbound.answer_to else self._platform(inbound)
        before, posted = self._posted.get(inbound.key), asyncio.Event()
        self._posted[inbound.key] = posted

        def first_in_line() -> bool:
            sending = self._gateway.delivery.busy(inbound.key)
            return (before is None or before.is_set()) and not sending

        following = Following(self._gateway, shown_on, inbound, entry, first_in_line)
        parcel: list[Parcel] = []

        def ending(result: TurnResult) -> tuple[Change, ...]:
            following.over = True
            end = settled(inbound, "answered" if refused is None else "refused")
            text = _said(result) if refused is None else refused
            if not text:
                return (end,)
            key, draft = entry_key(inbound), following.draft
            parcel.append(Parcel(key, _answer(inbound, text), draft, doubtful=following.unsure))
            return end, enqueue(parcel[-1])

        listener = Listener()
        letter = Letter(
            text,
            self.authority(inbound),
            images=inbound.images,
            sender=inbound.sender.name or inbound.sender.id,
            source=inbound.key.platform,
            toolsets=inbound.toolsets,
            resume=resume,
            listeners=[listener],
            taking=(taken(inbound, entry.session, entry.draft),),
            ending=ending,
            steering=(settled(inbound, "steered"),),
        )

        async def follow() -> None:
            state = await following.follow(listener)
            self._lanes.leave(inbound)
            if parcel and letter.ended:
                # The first draft may have been on its way still when the turn ended.
                self._gateway.delivery.post(
                    msgspec.structs.replace(
                        parcel[-1], draft=following.draft, doubtful=following.unsure
                    )
                )
            posted.set()
            if self._posted.get(inbound.key) is posted:
                del self._posted[inbound.key]
            if state is not None:
                await following.mark(state)

        self._gateway.spawn(follow())
        return letter

    # -- ends ---------------------------------------------------------------------------------

    async def finish(self, inbound: Inbound, end: str, text: str = "", **fields: Any) -> None:
        """Give a message its end, with a reply if there is one, in one commit. *fields* are further
        ones of the reply's `Outgoing`.
        """
        changes: list[Change] = [settled(inbound, end)]
        reply = msgspec.structs.replace(_answer(inbound, text), **fields)
        parcel = Parcel(entry_key(inbound), reply)
        if text:
            changes.append(enqueue(parcel))
        await self._runtime.store.commit(changes)
        reach("inbox.settled")
        self._lanes.leave(inbound)
        if text:
            self._gateway.delivery.post(parcel)

    def _platform(self, inbound: Inbound) -> Platform | None:
        return self._gateway.parts.platforms.get(inbound.key.platform)


def _answer(inbound: Inbound, text: str) -> Outgoing:
    if inbound.answer_to is not None:
        return Outgoing(inbound.answer_to, text)
    return Outgoing(inbound.key, text, reply_to=inbound.id)


def _said(result: TurnResult) -> str:
    """Give what a turn's end says in the chat."""
    if result.status == "cancelled":
        return ""  # whoever cancelled has said so
    if result.status in ("failed", "blocked") and not result.reply:
        return NO_REASON
    return f"⚠️ {result.reply}" if result.status == "failed" else result.reply
