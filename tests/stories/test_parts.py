"""How the parts of a gateway are: said as it is, paused and resumed, and really asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes import parts
from hermes.errors import Failed, Failure, HermesError, NotFound
from hermes.gateway import Gateway
from hermes.identity import now
from hermes.platform import PlatformHealth
from hermes.service import Service
from hermes.testing import FakePlatform, MemoryStore, ScriptedProvider, open_gateway


class Watched(FakePlatform):
    """Says of its line what the test wants, and answers probes so."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.line: PlatformHealth | None = None
        self.answer: Callable[[], str] = str

    def health(self) -> PlatformHealth | None:
        return self.line

    async def probe(self) -> str:
        return self.answer()


async def until(gateway: Gateway, part: str, state: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while (found := gateway.status()[part])["state"] != state:
            await asyncio.sleep(0.01)
    return found


async def test_a_line_that_is_not_heard_is_degraded_until_it_is_heard_again(tmp_path: Path) -> None:
    platform = Watched()
    async with open_gateway(tmp_path, platform, provider=ScriptedProvider("Hello!")) as gateway:
        platform.line = PlatformHealth(heard=now() - int(89e6))
        assert gateway.status()["fake"]["state"] == "running"
        platform.line = PlatformHealth(heard=now() - int(91e6))
        found = gateway.status()["fake"]
        assert (found["state"], found["error"]) == ("degraded", "nothing heard for 91 s")
        platform.line = PlatformHealth(heard=now(), failures=3, problem="502 Bad Gateway")
        found = gateway.status()["fake"]
        assert (found["state"], found["error"]) == ("degraded", "502 Bad Gateway")
        platform.line = PlatformHealth(heard=now())
        assert gateway.status()["fake"]["state"] == "running"
        before = now() / 1e6
        platform.say("Hi")
        await platform.said(1)
        found = gateway.status()["fake"]
        assert min(found["last_received"], found["last_sent"]) >= before - 0.1


async def test_a_pause_outlives_a_restart_and_what_came_for_the_part_waits(tmp_path: Path) -> None:
    store, first = MemoryStore(), FakePlatform()
    async with open_gateway(
        tmp_path, first, provider=ScriptedProvider("one"), store=store
    ) as gateway:
        assert await gateway.parts.pause("fake") == "fake"
        first.say("Hi")
        await gateway.runtime.outbox.put(parts_outgoing())
        await asyncio.sleep(0.05)
        assert first.sent == []
        with pytest.raises(NotFound, match="did you mean fake"):
            await gateway.parts.pause("fke")
    second = FakePlatform()
    async with open_gateway(
        tmp_path, second, provider=ScriptedProvider("one"), store=store
    ) as gateway:
        assert gateway.status()["fake"]["state"] == "paused"
        second.say("Hi")
        await asyncio.sleep(0.05)
        assert second.sent == []
        assert await gateway.parts.resume("fake") == "fake"
        assert set(await second.said(2)) == {"for later", "one"}
        assert gateway.status()["fake"]["state"] == "running"


def parts_outgoing() -> Any:
    from hermes.platform import Outgoing
    from hermes.session import SessionKey

    return Outgoing(SessionKey("fake", "1"), "for later")


async def test_one_that_stopped_for_its_credentials_is_started_by_hand(tmp_path: Path) -> None:
    platform = FakePlatform()
    async with open_gateway(tmp_path, platform, provider=ScriptedProvider("here")) as gateway:
        platform.revoke()
        assert "Unauthorized" in (await until(gateway, "fake", "stopped"))["error"]
        platform.revoked = False
        await gateway.parts.resume("fake")
        platform.say("Hi")
        assert await platform.said(1) == ["here"]
        assert gateway.status()["fake"]["error"] == ""


async def test_who_ends_the_task_that_keeps_a_platform_running_does_not_end_the_platform(
    tmp_path: Path,
) -> None:
    """The watchdog itself is killed (AT-14)."""
    platform = FakePlatform()
    async with open_gateway(tmp_path, platform, provider=ScriptedProvider("one", "two")) as gateway:
        platform.say("Hi")
        await platform.said(1)
        (keeper,) = (t for t in asyncio.all_tasks() if "Supervised._keep" in repr(t.get_coro()))
        keeper.cancel()
        found = await until(gateway, "fake", "waiting")
        assert (found["error"], found["restarts"]) == ("somebody ended its task", 1)
        platform.say("Still there?")
        assert await platform.said(2) == ["one", "two"]
        assert gateway.status()["fake"]["state"] == "running"


async def test_each_part_is_really_asked_and_one_that_hangs_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PROBE", 0.05)

    class Works(Service):
        async def run(self, runtime: Any) -> None:
            await asyncio.Event().wait()

        async def probe(self) -> str:
            return "it works"

    class Hangs(Works):
        async def probe(self) -> str:
            await asyncio.Event().wait()
            return "never"

    class Lacks(Works):
        def missing(self) -> str:
            return "it needs a key"

    platform, other = Watched(), Watched(name="other")

    def refuses() -> str:
        raise Failed(Failure("auth", "Unauthorized"))

    platform.answer = refuses
    services = {"works": Works(), "hangs": Hangs(), "lacks": Lacks()}
    async with open_gateway(
        tmp_path,
        platform,
        other,
        provider=ScriptedProvider(),
        offers={"services": services},
    ) as gateway:
        found = await gateway.parts.probe()
        assert found["service works"]["ok"] is True
        assert found["service works"]["said"] == "it works"
        assert (found["fake"]["ok"], found["fake"]["said"]) == (False, "Unauthorized")
        assert found["other"] == {"ok": None, "said": "there is nothing to ask"}
        assert found["service hangs"]["ok"] is False
        assert "service lacks" not in found  # it does not run, and its state says why
        with pytest.raises(HermesError, match="service lacks cannot start: it needs a key"):
            await gateway.parts.resume("lacks")
        await gateway.parts.pause("works")
        assert "service works" not in await gateway.parts.probe()
        assert gateway.status()["service works"]["state"] == "paused"
