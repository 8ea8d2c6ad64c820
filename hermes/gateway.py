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

from hermes.delivery import Delivery, Parcel, enqueue
from hermes.errors import Conflict, HermesError, one_line
from hermes.events import Asked
from hermes.identity import is_dead, new_id, new_owner, now, where
from hermes.inbox import DurableInbox
from hermes.intake import Intake
from hermes.killpoint import reach
from hermes.orders import Orders
from hermes.platform import Inbound, Outgoing, Platform
from hermes.service import Service
from hermes.session import SessionKey
from hermes.store import Change, Lease
from hermes.supervisor import Supervised

if TYPE_CHECKING:
    from hermes.runtime import Runtime

LEASE = "gateway"
HOLD = 30_000_000
"""Microseconds the gateway's lease lasts without renewal."""


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
        try:
            self._make()
            await self.intake.recover()
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

    @property
    def stopping(self) -> bool:
        """No more messages are taken in."""
        return self._stopping.is_set()

    def _make(self) -> None:
        """Make the platforms: what an earlier process left is theirs to judge and to send."""
        for name, offer in self.runtime.host.offers("platforms").items():
            if self._enabled(offer.plugin):
                self._make_platform(name)

    def _start(self) -> None:
        for name in self.platforms:
            self.parts[name].start()
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

    def _make_platform(self, name: str) -> None:
        try:
            platform: Platform = self.runtime.host.create("platforms", name)
        except HermesError as error:
            self.log.error("platform left out", platform=name, error=one_line(error))
            return
        inbox = self.inboxes[name] = DurableInbox(
            name, self.runtime.store, self.intake.arrived, self.runtime.host.secrets.redact
        )
        supervised = Supervised(name, lambda: self._run_platform(name, platform, inbox), self.log)
        self.parts[name] = supervised
        if self._configured(supervised, platform.missing()):
            self.platforms[name] = platform

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

    # -- out ----------------------------------------------------------------------------------

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
