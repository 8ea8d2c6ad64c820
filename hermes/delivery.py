"""Replies on their way out: kept until sent, in order, and honest about the gap (§5, pain 24).

A reply is an item of the durable queue ``outbox``, put there in the commit that ends its turn. Its
parts are made once and kept with it; before each send the item says which part is being attempted.
After a crash in that gap, and after a send that got no answer, nobody can know whether the platform
took it: where it takes an idempotency key the part is sent again under the same one; elsewhere
`ambiguous` decides, and the item's end says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from hermes.chain import Broken, Link, compose, held_by
from hermes.context import Log
from hermes.errors import Conflict, Failed, Failure, HermesError, one_line
from hermes.identity import now
from hermes.inbox import draft_token
from hermes.killpoint import reach
from hermes.middleware import Next
from hermes.outbox import NO_HOME, QUEUE, Parcel, Sent, home_of, release
from hermes.platform import Outgoing, Part, Piece, Platform, Receipt
from hermes.session import SessionKey
from hermes.store import Settle, Store

UNREADABLE = "⚠️ The answer could not be prepared for this chat; it is kept in the journal."
REPEATED = "(may be a repeat) "
LONGEST = 300.0
"""Seconds at most between attempts to send."""

CAPTION = 500
"""Characters of a text that goes along with a file, and not before it."""
REMEMBERED = 1000
"""Ends of parcels that are kept for whoever asks how it went."""
PREPARING = 120.0
"""Seconds that `deliver` has for a reply, one that is to be spoken too."""
PATIENCE = 300.0
"""Seconds one send may take, an upload too. A platform has shorter times of its own."""
RECALL = 10.0
"""A lost draft is looked for until the pause between two attempts is as many seconds."""

Ambiguous: TypeAlias = Literal["resend", "drop"]


def back_off() -> Iterator[float]:
    """Give the seconds to wait before each further attempt."""
    wait = 1.0
    while True:
        yield wait * random.uniform(0.8, 1.2)
        wait = min(LONGEST, wait * 2)


class Delivery:
    """Sends what the outbox holds: one worker a chat, so that order is kept."""

    def __init__(
        self,
        store: Store,
        links: Iterable[Link],
        platforms: Callable[[str], Platform | None],
        log: Log,
        *,
        files: Path,
        ambiguous: Ambiguous = "resend",
    ) -> None:
        self._store = store
        self._files = files
        self._platforms = platforms
        self._log = log
        self._ambiguous = ambiguous
        self._chain: Next[Outgoing, tuple[Part, ...]] = compose("deliver", links, self._split)
        self._lanes: dict[SessionKey, asyncio.Queue[Parcel]] = {}
        self._workers: dict[SessionKey, asyncio.Task[None]] = {}
        self._known: set[str] = set()
        self._ended: OrderedDict[str, Sent] = OrderedDict()
        self._waiting: dict[str, asyncio.Event] = {}
        self._troubles: dict[str, str] = {}
        """What hinders a parcel that is tried again."""
        self._woken = asyncio.Event()
        self._ending = False
        self.sent: dict[str, int] = {}
        """Platform to when it took the last part, in UTC microseconds."""

    async def recover(self, before: int | None = None) -> None:
        """Take up what an earlier process left; only what is older than *before* (UTC µs)."""
        for item in await self._store.pending(QUEUE):
            if before is not None and item.time >= before:
                continue
            self.post(msgspec.json.decode(item.item, type=Parcel))

    def post(self, parcel: Parcel) -> None:
        """Send a reply that is in the outbox. Returns at once."""
        if parcel.key in self._known or parcel.key in self._ended:
            return
        self._known.add(parcel.key)
        chat = parcel.outgoing.key
        self._lanes.setdefault(chat, asyncio.Queue()).put_nowait(parcel)
        if chat not in self._workers:
            self._workers[chat] = asyncio.ensure_future(self._work(chat))

    async def ended(self, key: str, seconds: float) -> Sent:
        """Wait for the end of a parcel of the outbox, whichever process put it there."""
        event = self._waiting.setdefault(key, asyncio.Event())
        for item in await self._store.pending(QUEUE, keys=(key,)):
            self.post(msgspec.json.decode(item.item, type=Parcel))
        try:
            if key in self._known:
                await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return Sent(why=self._troubles.get(key, "it is behind others of its chat"))
        finally:
            self._waiting.pop(key, None)
        return self._ended.get(key, Sent(why="the outbox has no such message"))

    def wake(self) -> None:
        """Try again at once what waits for its next attempt: a platform is back."""
        self._woken.set()
        self._woken = asyncio.Event()

    async def parts(self, outgoing: Outgoing) -> tuple[Part, ...]:
        """Make the parts of a reply, through the `deliver` middleware; fails closed."""
        try:
            async with asyncio.timeout(PREPARING):
                return await self._chain(outgoing)
        except TimeoutError as late:
            self._log.error("reply not prepared", held_by=held_by(late), seconds=PREPARING)
            return (Part(outgoing.key, UNREADABLE),)
        except Broken as broken:
            self._log.error("reply not prepared", error=one_line(broken))
            return (Part(outgoing.key, UNREADABLE),)

    def busy(self, chat: SessionKey) -> bool:
        """Whether something is still to be sent to *chat*."""
        return chat in self._workers

    async def idle(self) -> None:
        """Wait until everything posted has been sent or given up; what is for a platform that is
        away stays in the outbox. Nothing is posted after this.
        """
        self._ending = True
        self.wake()
        while self._workers:
            await asyncio.wait(list(self._workers.values()))

    async def close(self) -> None:
        """Stop; what is not sent stays in the outbox."""
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        if workers:
            await asyncio.wait(workers, timeout=5)

    async def _split(self, outgoing: Outgoing) -> tuple[Part, ...]:
        """The innermost step: cut the text to what the platform takes."""
        platform = self._platforms(outgoing.key.platform)
        pieces = self._format(platform, outgoing.text) if platform else (Piece(outgoing.text),)
        parts = [Part(outgoing.key, piece.text, markup=piece.markup) for piece in pieces]
        files = list(outgoing.attachments)
        if files and len(parts) == 1 and len(parts[0].text) <= CAPTION:
            parts[0] = msgspec.structs.replace(parts[0], attachment=files.pop(0))
        parts += [Part(outgoing.key, attachment=each) for each in files]
        parts = parts or [Part(outgoing.key)]
        parts[0] = msgspec.structs.replace(parts[0], reply_to=outgoing.reply_to)
        parts[-1] = msgspec.structs.replace(
            parts[-1], question=outgoing.question, choices=outgoing.choices
        )
        return tuple(parts)

    def _format(self, platform: Platform, text: str) -> tuple[Piece, ...]:
        """The platform's own markup; where that fails, its text as it is, well cut."""
        if not text:
            return ()
        try:
            return platform.format(text)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            self._log.warning("reply not formatted", error=one_line(error))
            return Platform.format(platform, text)

    async def _work(self, chat: SessionKey) -> None:
        lane = self._lanes[chat]
        try:
            while not lane.empty():
                await self._insist(lane.get_nowait())
        finally:
            del self._workers[chat], self._lanes[chat]

    async def _insist(self, parcel: Parcel) -> None:
        """Deliver a parcel; when the journal fails meanwhile, go on from what it says later."""
        waits = back_off()
        while True:
            try:
                await self._deliver(parcel)
            except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: one chat's reply)
                self._log.error("reply not delivered yet", error=one_line(error))
            else:
                return
            await asyncio.sleep(next(waits))
            with contextlib.suppress(HermesError):
                kept = await self._store.pending(QUEUE, keys=(parcel.key,))
                if not kept:
                    return
                parcel = msgspec.json.decode(kept[0].item, type=Parcel)

    async def _deliver(self, parcel: Parcel) -> None:
        if parcel.parts is None:
            if not parcel.outgoing.key.chat:
                parcel = await self._to_home(parcel)
            parcel = msgspec.structs.replace(parcel, parts=await self.parts(parcel.outgoing))
        if parcel.doubtful and not parcel.sent and not parcel.attempting:
            parcel = await self._with_lost_draft(parcel)
        end, why = "delivered", ""
        if not parcel.outgoing.key.chat:
            end, why = "failed", NO_HOME.format(platform=parcel.outgoing.key.platform)
            parcel = msgspec.structs.replace(parcel, parts=())
        if parcel.parts and (parcel.attempting or (parcel.doubtful and not parcel.sent)):
            parcel, end = self._in_doubt(parcel)
        waits = back_off()
        while parcel.parts is not None and len(parcel.sent) < len(parcel.parts):
            number = len(parcel.sent)
            part = msgspec.structs.replace(parcel.parts[number], token=f"{parcel.key}:{number}")
            if number == 0 and parcel.draft:
                part = msgspec.structs.replace(part, edits=parcel.draft)
            receipt = await self._send(parcel, part, waits)
            if receipt is None:
                return
            if isinstance(receipt, Failure):
                if receipt.retryable:
                    parcel = msgspec.structs.replace(parcel, attempting=True)
                    parcel, end = self._in_doubt(parcel)
                    continue
                end, why = "failed", receipt.message
                break
            self.sent[part.key.platform] = now()
            waits = back_off()
            parcel = msgspec.structs.replace(
                parcel, sent=(*parcel.sent, receipt.id), attempting=False
            )
        await self._settle(parcel, end, why)
        reach("delivery.settled")

    async def _to_home(self, parcel: Parcel) -> Parcel:
        """Address what is for a platform, and no chat of it, to the platform's home."""
        outgoing = parcel.outgoing
        home = await home_of(self._store, outgoing.key.platform)
        if home is None:
            return parcel
        return msgspec.structs.replace(parcel, outgoing=msgspec.structs.replace(outgoing, key=home))

    async def _with_lost_draft(self, parcel: Parcel) -> Parcel:
        """Find the draft that may have been sent, for the reply to replace it."""
        platform = self._platforms(parcel.outgoing.key.platform)
        if platform is None or not platform.limits.edits:
            return parcel
        part = Part(parcel.outgoing.key, reply_to=parcel.outgoing.reply_to)
        part = msgspec.structs.replace(part, token=draft_token(parcel.key))
        wait = 0.2
        while wait < RECALL:
            try:
                found = await asyncio.wait_for(platform.recall(part), RECALL)
                doubtful = not found and not platform.limits.keyed  # it knows what has a key
                return msgspec.structs.replace(parcel, draft=found, doubtful=doubtful)
            except Failed as failed:  # it may only just be opening
                if not failed.failure.retryable:
                    break
                await asyncio.sleep(failed.failure.retry_after or wait)
            except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
                self._log.warning("draft not looked for", error=one_line(error))
                break
            wait *= 2
        return parcel

    def _in_doubt(self, parcel: Parcel) -> tuple[Parcel, str]:
        """Decide about the part that the platform may have taken: a crash, or no answer came."""
        assert parcel.parts is not None
        platform = self._platforms(parcel.outgoing.key.platform)
        keyed = platform is not None and platform.limits.keyed and not parcel.doubtful
        if keyed or (parcel.draft and not parcel.sent):
            return parcel, "delivered"  # the same key, or the same draft: shown once either way
        number = len(parcel.sent)
        if self._ambiguous == "drop" and parcel.attempting:
            sent = (*parcel.sent, "")
            return msgspec.structs.replace(parcel, sent=sent, attempting=False), "delivered:unknown"
        again = parcel.parts[number]
        if again.text.startswith(REPEATED):
            return parcel, "delivered:repeated"
        marked = REPEATED + again.text
        # Made anew: the mark moves the places of the markup, and may make two messages of one.
        pieces = self._format(platform, marked) if platform else (Piece(marked),)
        repeated = [
            msgspec.structs.replace(again, text=piece.text, markup=piece.markup) for piece in pieces
        ]
        parts = (*parcel.parts[:number], *repeated, *parcel.parts[number + 1 :])
        made = msgspec.structs.replace(parcel, parts=parts, doubtful=False)
        return made, "delivered:repeated"

    async def _send(
        self, parcel: Parcel, part: Part, waits: Iterator[float]
    ) -> Receipt | Failure | None:
        """Send one part, again and again while that may help; None where another process did.

        The item says "attempting" only while nobody can know: not while the platform is away, and
        not once it said that it did not take the part. A retryable failure is given where nobody
        can: the next attempt would be a repeat.
        """
        while True:
            platform = self._platforms(part.key.platform)
            if platform is None and self._ending:
                return None
            if platform is None:
                await self._pause(parcel, f"{part.key.platform} does not run here", LONGEST)
                continue
            if not parcel.attempting:
                parcel = msgspec.structs.replace(parcel, attempting=True)
                if not await self._keep(parcel):
                    return None
            reach("delivery.attempting")
            receipt = await self._ask(platform, part)
            reach("delivery.sent")
            if not isinstance(receipt, Failure) or not receipt.retryable:
                return receipt
            if not receipt.unsure and not part.text.startswith(REPEATED):
                parcel = msgspec.structs.replace(parcel, attempting=False)
                if not await self._keep(parcel):
                    return None
            await self._pause(parcel, receipt.message, receipt.retry_after or next(waits))
            if receipt.unsure:
                return receipt

    async def _ask(self, platform: Platform, part: Part) -> Receipt | Failure:
        name = part.key.platform
        try:
            async with asyncio.timeout(PATIENCE):
                return await platform.send(part)
        except Failed as failed:
            return failed.failure
        except TimeoutError:
            said = f"{name} did not end a send in {PATIENCE:g} s"
            return Failure("timeout", said, name, unsure=True)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            return Failure("plugin", one_line(error), name)

    async def _pause(self, parcel: Parcel, why: str, seconds: float) -> None:
        """Wait, less long where a platform comes back meanwhile."""
        self._troubles[parcel.key] = why
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)

    async def _keep(self, parcel: Parcel) -> bool:
        try:
            await self._store.commit((Settle(QUEUE, parcel.key, "", msgspec.json.encode(parcel)),))
        except Conflict:
            return False  # another process settled it
        return True

    async def _settle(self, parcel: Parcel, end: str, why: str) -> None:
        if end == "failed":
            self._log.warning("reply not delivered", to=str(parcel.outgoing.key), why=why)
        await self._store.commit((Settle(QUEUE, parcel.key, end, msgspec.json.encode(parcel)),))
        release(parcel, self._files)
        self._known.discard(parcel.key)
        self._troubles.pop(parcel.key, None)
        self._ended[parcel.key] = Sent(end, tuple(filter(None, parcel.sent)), why)
        while len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        if (waiting := self._waiting.get(parcel.key)) is not None:
            waiting.set()
