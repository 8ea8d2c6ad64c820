"""One process that serves messengers, for months: in, turn, out, and nothing lost (§5).

A message is kept before the platform is told that we have it; a turn's end, its reply and the
message's end are one commit; a reply is kept until the platform took it. Kill the process anywhere
and the next start goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from hermes.chain import Broken, compose
from hermes.delivery import Delivery, Parcel, enqueue
from hermes.errors import Conflict, HermesError, one_line
from hermes.events import Asked
from hermes.following import Following
from hermes.identity import is_dead, new_id, new_owner, now, where
from hermes.inbox import DurableInbox, Entry, entry_key, settled, taken, waiting
from hermes.killpoint import reach
from hermes.mailbox import Busy, Letter
from hermes.middleware import Next
from hermes.orders import Orders
from hermes.platform import Admission, Inbound, Outgoing, Platform
from hermes.service import Service
from hermes.session import Authority, SessionKey
from hermes.store import Change, Lease
from hermes.stream import Listener
from hermes.supervisor import Supervised
from hermes.turn import TurnResult

if TYPE_CHECKING:
    from hermes.conversation import Conversation
    from hermes.runtime import Runtime

LEASE = "gateway"
HOLD = 30_000_000
"""Microseconds the gateway's lease lasts without renewal."""
BROKEN = (
    "⚠️ Your message could not be taken in: the plugin {plugin} failed. Its owner's log says why."
)
CLOSED = (
    "Nobody can talk to this bot yet: no plugin decides who may (pip install hermes-plugin-access)."
)


class AlreadyRunning(HermesError):
    """Another gateway serves this home. Not a failure: what was asked for is there."""

    exit_code = 0


class Gateway:
    """The platforms and services of one home, served. Make one over an open runtime, then `run`."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.log = runtime.log
        self.settings: Any = runtime.host.config.section("hermes").gateway
        self.platforms: dict[str, Platform] = {}
        self.parts: dict[str, Supervised] = {}
        self.inboxes: dict[str, DurableInbox] = {}
        self.delivery = Delivery(
            runtime.store,
            runtime.links,
            self.platforms.get,
            self.log,
            ambiguous=self.settings.ambiguous,
        )
        self._receive: Next[Inbound, Admission] = compose("receive", runtime.links, self._admit)
        self.orders = Orders(self)
        self.ready = asyncio.Event()
        """It serves."""
        self._stopping = asyncio.Event()
        self._lanes: dict[SessionKey, asyncio.Queue[Entry]] = {}
        self._at_work: set[str] = set()
        self._posted: dict[SessionKey, asyncio.Event] = {}
        """Chat to whether the reply to the message that came last is in the outbox's line."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._owner = new_owner("gateway")

    # -- life ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until `stop`. Raises AlreadyRunning, ConfigError."""
        await self._take_lease()
        holding = self.spawn(self._hold_lease())
        try:
            await self._recover()
            self._start()
            self.ready.set()
            reach("gateway.ready")
            await self._stopping.wait()
        finally:
            await self._drain()
            holding.cancel()
            with contextlib.suppress(HermesError):
                await self.runtime.store.commit((Lease(LEASE, self._owner, 0),))

    def stop(self) -> None:
        """Stop: no more messages are taken in, running turns get their time to end."""
        self._stopping.set()

    def _start(self) -> None:
        for name, offer in self.runtime.host.offers("platforms").items():
            if self._enabled(offer.plugin):
                self._start_platform(name)
        for name, offer in self.runtime.host.offers("services").items():
            if self._enabled(offer.plugin):
                self._start_service(name)

    def _enabled(self, plugin: str) -> bool:
        """Whether the plugin's section says that it runs (``enabled``)."""
        try:
            return bool(getattr(self.runtime.host.context(plugin).settings, "enabled", True))
        except HermesError as error:
            self.log.error("left out", plugin=plugin, error=one_line(error))
            return False

    def _start_platform(self, name: str) -> None:
        try:
            platform: Platform = self.runtime.host.create("platforms", name)
        except HermesError as error:
            self.log.error("platform left out", platform=name, error=one_line(error))
            return
        inbox = self.inboxes[name] = DurableInbox(name, self.runtime.store, self._arrived)
        supervised = Supervised(name, lambda: self._run_platform(name, platform, inbox), self.log)
        self.parts[name] = supervised
        if not self._configured(supervised, platform.missing()):
            return
        self.platforms[name] = platform
        supervised.start()

    async def _run_platform(self, name: str, platform: Platform, inbox: DurableInbox) -> None:
        await self.runtime.resources.get(("platform", name), lambda: platform)
        menu = self.spawn(self._show_menu(platform))
        try:
            await platform.run(inbox)
        finally:
            menu.cancel()

    async def _show_menu(self, platform: Platform) -> None:
        try:
            await asyncio.wait_for(platform.menu(self.orders.menu()), 30)
        except Exception as error:  # noqa: BLE001  (isolation: only for show)
            self.log.debug("menu not shown", error=one_line(error))

    def _start_service(self, name: str) -> None:
        try:
            service: Service = self.runtime.host.create("services", name)
        except HermesError as error:
            self.log.error("service left out", service=name, error=one_line(error))
            return

        async def serve() -> None:
            await self.runtime.resources.get(("service", name), lambda: service)
            await service.run(self.runtime)

        part = f"service {name}"
        supervised = self.parts[part] = Supervised(part, serve, self.log)
        if self._configured(supervised, service.missing()):
            supervised.start()

    def _configured(self, part: Supervised, missing: str) -> bool:
        """Whether nothing is *missing*; what is, is said once and stays in the status."""
        if missing:
            part.health.state, part.health.error = "not configured", missing
            self.log.error("not started", part=part.name, error=missing)
        return not missing

    async def _drain(self) -> None:
        """Take in no more; let turns end and replies go out; leave the rest to the next start."""
        await asyncio.gather(*(part.stop() for part in self.parts.values()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.drain):
                await self.runtime.idle()
                await self.delivery.idle()
        await self.delivery.close()
        for task in list(self._tasks):
            task.cancel()

    async def _take_lease(self) -> None:
        held = await self.runtime.store.lease(LEASE)
        changes: list[Change] = [Lease(LEASE, self._owner, now() + HOLD)]
        if held is not None and is_dead(held.owner):
            changes.insert(0, Lease(LEASE, held.owner, 0))
        try:
            await self.runtime.store.commit(changes)
        except Conflict:
            holder = where(held.owner) if held else "another process"
            raise AlreadyRunning(f"a gateway runs already ({holder})") from None

    async def _hold_lease(self) -> None:
        while True:
            await asyncio.sleep(10)
            try:
                await self.runtime.store.commit((Lease(LEASE, self._owner, now() + HOLD),))
            except Conflict:
                self.log.error("another gateway took over; this one stops")
                self.stop()
                return
            except HermesError as error:
                self.log.warning("lease not renewed", error=one_line(error))

    # -- in -----------------------------------------------------------------------------------

    async def _recover(self) -> None:
        """Take up what an earlier process left: interrupted turns first, then what waits."""
        left = await waiting(self.runtime.store)
        for entry in (entry for entry in left if entry.session):
            await self._resume(entry)
        await self.delivery.recover()
        for entry in (entry for entry in left if not entry.session):
            self._arrived(entry)

    def _arrived(self, entry: Entry) -> None:
        """Work on a message that is kept: one after the other in each chat."""
        key = entry_key(entry.inbound)
        if key in self._at_work or self._stopping.is_set():
            return
        self._at_work.add(key)
        chat = entry.inbound.key
        if chat not in self._lanes:
            self._lanes[chat] = asyncio.Queue()
            self.spawn(self._work(chat))
        self._lanes[chat].put_nowait(entry)

    async def _work(self, chat: SessionKey) -> None:
        lane = self._lanes[chat]
        while not lane.empty():
            entry = lane.get_nowait()
            try:
                await self._handle(entry.inbound)
            except HermesError as error:
                self.log.error("message not worked on", error=one_line(error))
                self._at_work.discard(entry_key(entry.inbound))
        del self._lanes[chat]

    async def _handle(self, inbound: Inbound) -> None:
        """Run one message through `receive`; what is refused gets its end here."""
        try:
            admission = await self._receive(inbound)
        except Broken as broken:
            # What broke is for the owner's log: whoever wrote may be a stranger.
            self.log.error("message refused", error=one_line(broken))
            admission = Admission("refused", BROKEN.format(plugin=broken.plugin))
        reach("inbox.received")
        if admission.outcome == "refused":
            await self.finish(inbound, "refused", admission.notice)

    async def _admit(self, inbound: Inbound) -> Admission:
        """The innermost step of `receive`: an answer, a command, or a message for the mailbox."""
        if inbound.role is None:
            return Admission("refused", CLOSED)
        if inbound.answers:
            return await self.orders.answer(inbound)
        if await self.orders.take(inbound):
            return Admission("command")
        conversation = self.conversation(inbound)
        if inbound.fresh:
            conversation = await conversation.new()
        if inbound.notice:
            self.say(inbound.key, inbound.notice)
        await self.post(inbound, await self.busy(inbound), conversation)
        return Admission("admitted")

    async def post(
        self, inbound: Inbound, busy: Busy, conversation: Conversation | None = None
    ) -> None:
        """Put a message into its conversation's mailbox."""
        info = await (conversation or self.conversation(inbound)).load()
        self.runtime.mailbox(info.id).put(self.letter(inbound, info.id), busy)

    def conversation(self, inbound: Inbound) -> Conversation:
        """Give the conversation that a message belongs to."""
        directory = self.settings.directory or str(Path.home())
        where = inbound.bound or inbound.key
        return self.runtime.session(where, directory=directory, person=inbound.person)

    async def busy(self, inbound: Inbound) -> Busy:
        """Say what a message does to a busy chat: as set for it (`/busy`), else as configured."""
        chosen = await self.runtime.store.state("process", "", f"hermes/busy/{inbound.key}")
        return cast(Busy, chosen.decode() if chosen else self.settings.busy)

    def letter(
        self, inbound: Inbound, session: str, *, resume: bool = False, draft: str = ""
    ) -> Letter:
        """Make the letter of a message: what it commits when taken and when ended.

        *draft* is what an earlier process showed of the answer.
        """
        platform = self.platforms.get(inbound.key.platform)
        before, posted = self._posted.get(inbound.key), asyncio.Event()
        self._posted[inbound.key] = posted

        def first_in_line() -> bool:
            return (before is None or before.is_set()) and not self.delivery.busy(inbound.key)

        following = Following(self, platform, inbound, session, first_in_line, draft)
        parcel: list[Parcel] = []

        def ending(result: TurnResult) -> tuple[Change, ...]:
            following.over = True
            text = result.reply if result.status != "failed" else f"⚠️ {result.reply}"
            if result.status == "cancelled" or not result.reply:
                return (settled(inbound, "answered"),)  # whoever cancelled has said so
            outgoing = Outgoing(inbound.key, text, reply_to=inbound.id)
            parcel.append(
                Parcel(entry_key(inbound), outgoing, following.draft, doubtful=following.unsure)
            )
            return settled(inbound, "answered"), enqueue(parcel[-1])

        listener = Listener()
        letter = Letter(
            inbound.text,
            self.authority(inbound),
            images=inbound.images,
            sender=inbound.sender.name or inbound.sender.id,
            source=inbound.key.platform,
            resume=resume,
            listeners=[listener],
            taking=(taken(inbound, session, draft),),
            ending=ending,
            steering=(settled(inbound, "steered"),),
        )

        async def follow() -> None:
            state = await following.follow(listener)
            self._at_work.discard(entry_key(inbound))
            if parcel and letter.ended:
                # The first draft may have been on its way still when the turn ended.
                self.delivery.post(
                    msgspec.structs.replace(
                        parcel[-1], draft=following.draft, doubtful=following.unsure
                    )
                )
            posted.set()
            if self._posted.get(inbound.key) is posted:
                del self._posted[inbound.key]
            if state is not None:
                await following.mark(state)

        self.spawn(follow())
        return letter

    def authority(self, inbound: Inbound) -> Authority:
        """What the sender of a message may do."""
        return Authority(
            inbound.key.platform,
            person=inbound.person or inbound.sender.id,
            role=inbound.role or "guest",
            can_ask=True,
        )

    async def _resume(self, entry: Entry) -> None:
        inbound = entry.inbound
        self._at_work.add(entry_key(inbound))
        letter = self.letter(inbound, entry.session, resume=True, draft=entry.draft)
        self.runtime.mailbox(entry.session).put(letter)

    # -- out ----------------------------------------------------------------------------------

    async def finish(self, inbound: Inbound, end: str, text: str = "") -> None:
        """Give a message its end, with a reply if there is one, in one commit."""
        changes: list[Change] = [settled(inbound, end)]
        parcel = Parcel(entry_key(inbound), Outgoing(inbound.key, text, reply_to=inbound.id))
        if text:
            changes.append(enqueue(parcel))
        await self.runtime.store.commit(changes)
        reach("inbox.settled")
        self._at_work.discard(entry_key(inbound))
        if text:
            self.delivery.post(parcel)

    def say(self, key: SessionKey, text: str, **fields: Any) -> None:
        """Send something that answers no message: kept like any reply."""
        self.spawn(self._say(Parcel(new_id(), Outgoing(key, text, **fields))))

    async def _say(self, parcel: Parcel) -> None:
        await self.runtime.store.commit((enqueue(parcel),))
        self.delivery.post(parcel)

    def put_question(self, inbound: Inbound, asked: Asked) -> None:
        """Put a turn's question into the chat: buttons where there are some, words everywhere."""
        how = " · ".join(f"/{'approve' if c != 'deny' else 'deny'} {c}" for c in asked.choices)
        text = f"{asked.text}\n\n{how}" if how and asked.purpose == "approval" else asked.text
        self.orders.open_question(inbound, asked)
        self.say(inbound.key, text, question=asked.id, choices=asked.choices)

    def spawn(self, work: Any) -> asyncio.Task[None]:
        """Run something as a task of the gateway's own."""
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("a task of the gateway failed", error=one_line(error))

    def _line(self, name: str) -> dict[str, Any]:
        """How the line of a platform is, as far as it knows."""
        platform = self.platforms.get(name)
        health = platform.health() if platform is not None else None
        if health is None:
            return {"received": self.inboxes[name].heard} if name in self.inboxes else {}
        return dict(msgspec.to_builtins(health))

    def status(self) -> dict[str, Any]:
        """Describe every part, for ``hermes gateway status``."""
        return {
            name: {
                **msgspec.to_builtins(part.health),
                **self._line(name),
            }
            for name, part in self.parts.items()
        }
