"""The platforms and services of a gateway: made, kept running, paused, and asked how they are."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec

from hermes.errors import Failed, HermesError, NotFound, one_line
from hermes.identity import now
from hermes.inbox import DurableInbox
from hermes.platform import Platform
from hermes.schemas import nearest
from hermes.service import Service
from hermes.store import SetState
from hermes.supervisor import Supervised

if TYPE_CHECKING:
    from hermes.gateway import Gateway

DEGRADED = 90.0
"""Seconds without a sign of life after which a platform is said to be degraded."""
PROBE = 15.0
"""Seconds a part has to answer a probe."""


class Parts:
    """Everything that runs under supervision, by the name that ``hermes gateway status`` shows."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._runtime = gateway.runtime
        self._log = gateway.log
        self.platforms: dict[str, Platform] = {}
        """Those that can run."""
        self.inboxes: dict[str, DurableInbox] = {}
        self._supervised: dict[str, Supervised] = {}
        self._asked: dict[str, Platform | Service] = {}
        """Whom a probe asks."""
        self._paused: set[str] = set()

    def make(self) -> None:
        """Make the platforms: what an earlier process left is theirs to judge and to send."""
        for name, offer in self._runtime.host.offers("platforms").items():
            if self._enabled(offer.plugin):
                self._make_platform(name)

    async def start(self) -> None:
        """Start what can run and is not paused."""
        for name, offer in self._runtime.host.offers("services").items():
            if self._enabled(offer.plugin):
                self._make_service(name)
        for name, part in self._supervised.items():
            if await self._runtime.store.state("process", "", _paused(name)):
                self._paused.add(name)
                part.health.state = "paused"
            elif part.health.state != "not configured":
                part.start()

    async def stop(self) -> None:
        """End all of them; each has five seconds."""
        await asyncio.gather(*(part.stop() for part in self._supervised.values()))

    def sends(self, name: str) -> Platform | None:
        """Give the platform that sends now; None for one that is not here or is paused."""
        return None if name in self._paused else self.platforms.get(name)

    # -- making -------------------------------------------------------------------------------

    def _enabled(self, plugin: str) -> bool:
        """Whether the plugin's section says that it runs (``enabled``)."""
        try:
            return bool(getattr(self._runtime.host.context(plugin).settings, "enabled", True))
        except HermesError as error:
            self._log.error("left out", plugin=plugin, error=one_line(error))
            return False

    def _make_platform(self, name: str) -> None:
        try:
            platform: Platform = self._runtime.host.create("platforms", name)
        except HermesError as error:
            self._log.error("platform left out", platform=name, error=one_line(error))
            return
        intake = self._gateway.intake
        redact = self._runtime.host.secrets.redact
        inbox = DurableInbox(name, self._runtime.store, intake.arrived, redact)
        self.inboxes[name] = inbox

        async def run() -> None:
            await self._runtime.resources.get(("platform", name), lambda: platform)
            menu = self._gateway.spawn(self._show_menu(platform))
            self._gateway.delivery.wake()  # what waited for it goes out
            try:
                await platform.run(inbox)
            finally:
                menu.cancel()

        if self._add(Supervised(name, run, self._log), platform):
            self.platforms[name] = platform

    async def _show_menu(self, platform: Platform) -> None:
        try:
            async with asyncio.timeout(30):
                await platform.menu(self._gateway.orders.menu())
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: only for show)
            self._log.debug("menu not shown", error=one_line(error))

    def _make_service(self, name: str) -> None:
        try:
            service: Service = self._runtime.host.create("services", name)
        except HermesError as error:
            self._log.error("service left out", service=name, error=one_line(error))
            return

        async def run() -> None:
            await self._runtime.resources.get(("service", name), lambda: service)
            await service.run(self._runtime)

        self._add(Supervised(f"service {name}", run, self._log), service)

    def _add(self, part: Supervised, made: Platform | Service) -> bool:
        """Take in a part; False for one that lacks something, which stays in the status."""
        self._supervised[part.name] = part
        try:
            missing = made.missing()
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            missing = f"it cannot say what it lacks: {one_line(error)}"
        if missing:
            part.health.state, part.health.error = "not configured", missing
            self._log.error("not started", part=part.name, error=missing)
            return False
        self._asked[part.name] = made
        return True

    # -- pausing ------------------------------------------------------------------------------

    async def pause(self, name: str) -> str:
        """Stop a part until `resume`, over restarts too; what is for it waits. Give its name.

        Raises NotFound.
        """
        part = self._named(name)
        await self._runtime.store.commit((SetState("process", "", _paused(part.name), b"1"),))
        self._paused.add(part.name)
        await part.pause()
        return part.name

    async def resume(self, name: str) -> str:
        """Start a part that was paused or has stopped. Raises NotFound, and HermesError for one
        that lacks something.
        """
        part = self._named(name)
        if part.name not in self._asked:
            raise HermesError(f"{part.name} cannot start: {part.health.error}")
        await self._runtime.store.commit((SetState("process", "", _paused(part.name), None),))
        self._paused.discard(part.name)
        if part.health.state in ("paused", "stopped"):
            part.start()
        self._gateway.delivery.wake()
        return part.name

    def _named(self, name: str) -> Supervised:
        for full in (name, f"service {name}"):
            if full in self._supervised:
                return self._supervised[full]
        mend = nearest(name, [each.removeprefix("service ") for each in self._supervised])
        raise NotFound(f"nothing named {name!r} runs here{mend}")

    # -- how they are -------------------------------------------------------------------------

    def status(self) -> dict[str, dict[str, Any]]:
        """Describe every part; times are Unix seconds, `heard` UTC microseconds."""
        return {name: self._status(name, part) for name, part in self._supervised.items()}

    def _line(self, name: str, platform: Platform) -> dict[str, Any]:
        """How the line of a platform is, as far as it knows."""
        try:
            return msgspec.to_builtins(platform.health()) or {}
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            return {"problem": f"it cannot say how it is: {one_line(error)}"}

    def _status(self, name: str, part: Supervised) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(part.health)
        if name in self.inboxes:
            inbox, sent = self.inboxes[name], self._gateway.delivery.sent.get(name, 0)
            found |= {"received": inbox.heard, "last_received": inbox.last / 1e6}
            found |= {"last_sent": sent / 1e6}
        if (platform := self.platforms.get(name)) is not None:
            found |= self._line(name, platform)
        if found["state"] == "running":
            quiet = (now() - found["heard"]) / 1e6 if found.get("heard") else 0.0
            if found.get("problem") or quiet > DEGRADED:
                said = found.get("problem") or f"nothing heard for {int(quiet)} s"
                found |= {"state": "degraded", "error": said}
        return found

    async def probe(self) -> dict[str, dict[str, Any]]:
        """Ask every part that runs to ask its far side; what answered, and in how many ms."""
        names = [name for name in self._asked if name not in self._paused]
        found = await asyncio.gather(*(self._probe(self._asked[name]) for name in names))
        return dict(zip(names, found, strict=True))

    async def _probe(self, part: Platform | Service) -> dict[str, Any]:
        began = time.monotonic()
        try:
            async with asyncio.timeout(PROBE):
                said = await part.probe()
        except TimeoutError:
            return {"ok": False, "said": f"no answer within {PROBE:.0f} s"}
        except Failed as failed:
            return {"ok": False, "said": failed.failure.message}
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            return {"ok": False, "said": one_line(error)}
        if not said:
            return {"ok": None, "said": "there is nothing to ask"}
        return {"ok": True, "said": said, "ms": round((time.monotonic() - began) * 1000, 1)}


def _paused(name: str) -> str:
    return f"hermes/paused/{name}"
