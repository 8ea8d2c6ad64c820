"""The door, as the gateway stands behind it: what it lets through is noted, nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import Account, Admission, Inbound
from hermes.testing import FakeCommandContext, FakeContext, MemoryState, make_inbound, make_key
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_access.access import Access
from hermes_plugin_access.settings import SessionReset, Settings

NOW = 1_750_000_000.0  # a Sunday, 15:06:40 UTC


class Door:
    """Access before a gateway that admits whoever has a role."""

    def __init__(self, context: FakeContext, clock: Callable[[], float]) -> None:
        self.context = context
        self.access = Access(context, clock=clock)
        self.admitted: list[Inbound] = []

    async def __call__(self, inbound: Inbound) -> Admission:
        return await self.access.receive(inbound, self._admit)

    async def _admit(self, inbound: Inbound) -> Admission:
        if inbound.role is None:
            return Admission("refused")
        self.admitted.append(inbound)
        return Admission("command" if inbound.text.startswith("/") else "admitted")

    async def say(self, text: str = "Hello", *, user: str = "1", **fields: Any) -> Admission:
        """Let somebody write in private, or in a group."""
        platform = fields.pop("platform", "telegram")
        key = make_key(fields.pop("chat", user), platform=platform, thread=fields.pop("thread", ""))
        sender = Account(platform, user, fields.pop("name", f"Person {user}"))
        return await self(make_inbound(text, key=key, sender=sender, **fields))

    def commander(self, **parts: Any) -> FakeCommandContext:
        """Give where commands are given in the same home."""
        host = SimpleNamespace(context=lambda plugin: self.context)
        return FakeCommandContext(**{"host": host, **parts})


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("time.time", made)
    return made


MakeDoor = Callable[..., Door]


@pytest.fixture
def make_door(plugin_context: MakeContext, clock: Clock) -> MakeDoor:
    def make(
        *,
        reset: SessionReset | None = None,
        variables: dict[str, str] | None = None,
        state: MemoryState | None = None,
        timezone: str = "UTC",
        top: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Door:
        sections = {
            "access": Settings(**settings),
            "session_reset": reset or SessionReset(),
            "group_sessions_per_user": None,
            "thread_sessions_per_user": None,
            "unauthorized_dm_behavior": None,
            "hermes": SimpleNamespace(timezone=timezone),
            **(top or {}),
        }
        context = plugin_context("access", sections=sections, variables=variables, state=state)
        return Door(context, clock)

    return make
