"""Long-running parts of the gateway, listeners, and checks of ``hermes doctor``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import msgspec

from hermes.events import Event
from hermes.resource import Resource
from hermes.session import SessionInfo


class Service(Resource):
    """A scheduler, an HTTP API, a dashboard: runs as long as the gateway does."""

    @abstractmethod
    async def run(self) -> None:
        """Work until cancelled. Raising or returning means "restart me"."""


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
