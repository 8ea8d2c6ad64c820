"""Long-running parts of the gateway, listeners, and checks of ``hermes doctor``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import msgspec

from hermes.events import Event
from hermes.resource import Resource
from hermes.session import SessionInfo

if TYPE_CHECKING:
    from hermes.runtime import Runtime


class Service(Resource):
    """A scheduler, an HTTP API, a dashboard: runs as long as the gateway does."""

    def missing(self) -> str:
        """Say what must be configured before it can run; empty where nothing is."""
        return ""

    @abstractmethod
    async def run(self, runtime: Runtime) -> None:
        """Work until cancelled, with the conversations of *runtime*, which outlives this call.

        Raising or returning means "restart me"; an authentication failure, raised as `Failed`,
        stops this service and says so. Cancelled, it has five seconds to end in order.
        """

    async def probe(self) -> str:
        """Ask itself from outside whether it serves, as `Platform.probe` does its far side."""
        return ""


class Observer(ABC):
    """Hears events; changes nothing. Raising is logged; after ten in a row it is dropped."""

    @abstractmethod
    async def observe(self, session: SessionInfo, event: Event) -> None:
        """One event, in order within a conversation, from a queue of this observer's own."""


class Finding(msgspec.Struct, frozen=True):
    """One line of ``hermes doctor``."""

    level: Literal["ok", "warning", "error"]
    text: str
    mend: str = ""


class Check(ABC):
    """Looks whether something works here."""

    @abstractmethod
    async def check(self) -> tuple[Finding, ...]:
        """Look, within ten seconds."""
