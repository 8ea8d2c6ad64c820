"""One process that serves messengers, for months: in, turn, out, and nothing lost (§5).

A message is kept before the platform is told that we have it; a turn's end, its reply and the
message's end are one commit; a reply is kept until the platform took it. Kill the process anywhere
and the next start goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import msgspec

from hermes.control import served
from hermes.delivery import Delivery
from hermes.errors import Conflict, HermesError, one_line
from hermes.events import Asked
from hermes.identity import is_dead, new_owner, now, where
from hermes.intake import Intake
from hermes.killpoint import reach
from hermes.orders import Orders
from hermes.parts import Parts
from hermes.platform import Inbound, Outgoing
from hermes.session import SessionKey
from hermes.store import Change, Lease

if TYPE_CHECKING:
    from hermes.runtime import Runtime

LEASE = "gateway"
HOLD = 30_000_000
"""Microseconds the gateway's lease lasts without renewal."""
STRAY = 60_000_000
"""Microseconds after which what lies in a queue, and nobody works on, is taken up."""


class AlreadyRunning(HermesError):
    """Another gateway serves this home. Not a failure: what was asked for is there."""

    exit_code = 0


class Gateway:
    """The platforms and services of one home, served. Make one over an open runtime, then `run`."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.log = runtime.log
        self.settings: Any = runtime.host.config.section("hermes").gateway
        self.parts = Parts(self)
        self.delivery = Delivery(
            runtime.store,
            runtime.links,
            self.parts.sends,
            self.log,
            files=runtime.host.paths.outgoing,
            ambiguous=self.settings.ambiguous,
        )
        self.intake = Intake(self)
        self.orders = Orders(self)
        self.ready = asyncio.Event()
        """It serves."""
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._owner = new_owner("gateway")

    # -- life ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until `stop`. Raises AlreadyRunning, ConfigError."""
        await self._take_lease()
        holding = self.spawn(self._hold_lease())
        self.runtime.outbox.sender = self.delivery
        try:
            self.parts.make()
            await self.intake.recover()
            await self.parts.start()
            async with served(self.runtime.host.paths.run, self._order, self.log):
                self.ready.set()
                reach("gateway.ready")
                await self._stopping.wait()
        finally:
            await self._drain()
            self.runtime.outbox.sender = None
            holding.cancel()
            with contextlib.suppress(HermesError):
                await self.runtime.store.commit((Lease(LEASE, self._owner, 0),))

    def stop(self) -> None:
        """Stop: no more messages are taken in, running turns get their time to end."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """No more messages are taken in."""
        return self._stopping.is_set()

    async def _drain(self) -> None:
        """Take in no more; let turns end and replies go out; leave the rest to the next start."""
        await self.parts.stop()
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
                # What lies there for long: put by a process that did not reach us, or the journal
                # could not take its end. What is younger is on its way.
                await self.intake.recover(before=now() - STRAY)
            except Conflict:
                self.log.error("another gateway took over; this one stops")
                self.stop()
                return
            except HermesError as error:
                self.log.warning("lease not renewed", error=one_line(error))

    # -- out ----------------------------------------------------------------------------------

    def say(self, key: SessionKey, text: str, **fields: Any) -> None:
        """Send something that answers no message: kept like any reply."""
        self.spawn(self.runtime.outbox.put(Outgoing(key, text, **fields)))

    def put_question(self, inbound: Inbound, asked: Asked) -> None:
        """Put a turn's question into the chat: buttons where there are some, words everywhere."""
        orders = {"once": "/approve", "deny": "/deny"}
        how = " · ".join(orders.get(choice, f"/approve {choice}") for choice in asked.choices)
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

    def status(self) -> dict[str, dict[str, Any]]:
        """Describe every part, for ``hermes gateway status``."""
        return self.parts.status()

    # -- orders from other processes of this home ---------------------------------------------

    async def _order(self, given: dict[str, Any]) -> dict[str, Any]:
        """Do what another process asks over the socket. Raises HermesError."""
        match given.pop("order"):
            case "send":
                sent = await self.delivery.ended(given["key"], min(given["within"], 600.0))
                return dict(msgspec.to_builtins(sent))
            case "ping":
                return {}
            case "status":
                return {"parts": self.status()}
            case "probe":
                return await self.parts.probe()
            case "pause":
                return {"part": await self.parts.pause(given["part"])}
            case "resume":
                return {"part": await self.parts.resume(given["part"])}
            case unknown:
                raise HermesError(f"the gateway has no order {unknown!r}: is it an older version?")
