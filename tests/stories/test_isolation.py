"""One plugin misbehaves at one point, and nobody else is harmed (AT-15).

At each point where a plugin takes part it raises, asks the process to exit, does so from a task of
its own, or never comes back. It does that in one chat; meanwhile others write, and each of their
messages is answered. With the fault gone the chat itself goes on.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes import attached, delivery, intake, lessons, opening, runtime, turns
from hermes.blame import Blame
from hermes.errors import StoreError
from hermes.loop import Loop
from hermes.memory import Memory
from hermes.middleware import Middleware, Next
from hermes.platform import Attachment, PlatformHealth
from hermes.prompt import PromptSection
from hermes.service import Observer, Service
from hermes.store import Settle
from hermes.testing import AllowAll, CapturedLog, FakePlatform, LetIn, MemoryStore, ScriptedProvider
from hermes.testing.answers import Call, Say
from hermes.testing.gateway import open_gateway
from hermes.tools import READ, TOGETHER, tool
from hermes.watchdog import Blocked, Watchdog

OTHERS = int(os.environ.get("HERMES_ISOLATION_MESSAGES", "30"))
Misbehave = Callable[[], Any]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines a hundredth of what they are in life."""
    for module, name, seconds in (
        (attached, "FETCHING", 0.3),
        (intake, "JUDGING", 0.3),
        (delivery, "PREPARING", 0.3),
        (delivery, "PATIENCE", 0.3),
        (opening, "RENDER", 0.1),
        (runtime, "OBSERVE", 0.1),
        (lessons, "RECORD", 0.1),
        (turns, "STOPPED", 0.2),
    ):
        monkeypatch.setattr(module, name, seconds)


met: list[str] = []
"""What misbehaved in the test that runs."""


async def raises() -> None:
    met.append("raises")
    raise RuntimeError("a bug")


async def exits() -> None:
    met.append("exits")
    sys.exit(3)


async def leaks() -> None:
    """A task of its own exits, as an SDK's background task might."""
    asyncio.get_running_loop().create_task(exits())
    await asyncio.sleep(0)


async def hangs() -> None:
    met.append("hangs")
    await asyncio.Event().wait()


FAULTS = {each.__name__: each for each in (raises, exits, leaks, hangs)}


class Bad(Middleware):
    """Misbehaves at *point*, for messages that say so."""

    def __init__(self, point: str, misbehave: Misbehave) -> None:
        self.point, self.misbehave = point, misbehave

    async def _at(self, point: str, text: str, thing: Any, call_next: Next[Any, Any]) -> Any:
        if self.point == point and "bad" in text:
            await self.misbehave()
        return await call_next(thing)

    async def receive(self, inbound: Any, call_next: Any) -> Any:
        return await self._at("receive", inbound.text, inbound, call_next)

    async def turn(self, turn: Any, call_next: Any) -> Any:
        return await self._at("turn", turn.input.text, turn, call_next)

    async def model(self, request: Any, call_next: Any) -> Any:
        return await self._at("model", request.spec.messages[-1].text, request, call_next)

    async def tool(self, call: Any, call_next: Any) -> Any:
        return await self._at("tool", str(call.request.arguments), call, call_next)

    async def deliver(self, outgoing: Any, call_next: Any) -> Any:
        return await self._at("deliver", outgoing.text, outgoing, call_next)


class BadPlatform(FakePlatform):
    """Misbehaves in one of its own methods."""

    def __init__(self, point: str, misbehave: Misbehave) -> None:
        super().__init__(name="bad")
        self.point, self.misbehave = point, misbehave

    async def _maybe(self, point: str) -> None:
        if self.point == point:
            await self.misbehave()

    def _maybe_now(self, point: str) -> None:
        """What is no coroutine can only raise or exit."""
        if self.point == point:
            met.append("now")
            if self.misbehave is exits:
                sys.exit(3)
            raise RuntimeError("a bug")

    async def open(self) -> None:
        await self._maybe("open")

    async def close(self) -> None:
        await self._maybe("close")

    async def run(self, inbox: Any) -> None:
        await self._maybe("run")
        await super().run(inbox)

    async def send(self, part: Any) -> Any:
        await self._maybe("send")
        return await super().send(part)

    async def fetch(self, inbound: Any) -> Any:
        await self._maybe("fetch")
        return inbound

    async def typing(self, key: Any) -> None:
        await self._maybe("typing")

    async def mark(self, key: Any, message: str, state: Any) -> None:
        await self._maybe("mark")

    async def menu(self, commands: Any) -> None:
        await self._maybe("menu")

    def format(self, text: str) -> Any:
        self._maybe_now("format")
        return super().format(text)

    def vouch(self, inbound: Any) -> Any:
        self._maybe_now("vouch")

    def health(self) -> PlatformHealth | None:
        self._maybe_now("health")
        return None


class BadParts(Observer, Service, PromptSection, Memory):
    """Everything else that a plugin may offer, in one object."""

    def __init__(self, point: str, misbehave: Misbehave) -> None:
        self.point, self.misbehave = point, misbehave

    async def _maybe(self, point: str) -> None:
        if self.point == point:
            await self.misbehave()

    async def observe(self, session: Any, event: Any) -> None:
        await self._maybe("observe")

    async def run(self, runtime: Any) -> None:
        await self._maybe("service")
        await asyncio.Event().wait()

    async def render(self, session: Any) -> str:
        await self._maybe("prompt")
        return "Be good."

    async def recall(self, turn: Any) -> str:
        await self._maybe("recall")
        return ""

    async def record(self, turn: Any, result: Any) -> None:
        await self._maybe("record")


MIDDLEWARE = ("receive", "turn", "model", "tool", "deliver")
PLATFORM = (
    "open", "close", "run", "fetch", "send", "typing", "mark", "menu", "format", "vouch", "health",
)  # fmt: skip
PARTS = ("observe", "service", "prompt", "recall", "record")
OWN = ("tool itself", "provider")


def answer(misbehave: Misbehave, point: str) -> Any:
    async def of(request: Any) -> Any:
        said = request.spec.messages[-1]
        text = said.text
        if "call" in text:
            return Say(calls=(Call("touch", '{"what": "bad"}'),))
        if point == "provider" and "bad" in text:
            await misbehave()
        return f"re: {text}"

    return of


def faults_at(point: str) -> list[str]:
    if point in ("format", "vouch", "health"):
        return ["raises", "exits"]  # no coroutine: it cannot wait
    leaking = ["leaks"] if point in ("receive", "typing", "service", "provider") else []
    return ["raises", "exits", "hangs", *leaking]


@pytest.mark.parametrize(
    ("point", "fault"),
    [
        pytest.param(point, fault, id=f"{point}-{fault}")
        for point in (*MIDDLEWARE, *PLATFORM, *PARTS, *OWN)
        for fault in faults_at(point)
    ],
)
def test_nobody_else_is_harmed(point: str, fault: str, tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.get_loop().set_exception_handler(lambda loop, what: None)
        runner.run(story(point, FAULTS[fault], tmp_path))


async def story(point: str, misbehave: Misbehave, home: Path) -> None:
    met.clear()
    parts = BadParts(point, misbehave)
    good, bad = FakePlatform(name="good"), BadPlatform(point, misbehave)

    @tool(effect=READ, needs=set(), lane=TOGETHER)
    async def touch(what: str) -> str:
        """Touch it."""
        if point == "tool itself":
            await misbehave()
        return "touched"

    store = MemoryStore()
    asked = "call it, bad" if point in ("tool", "tool itself") else "bad"
    offers = {
        "observers": {"parts": parts},
        "services": {"parts": parts},
        "prompts": {"parts": parts},
        "memory": {"parts": parts},
    }
    async with open_gateway(
        home,
        good,
        bad,
        provider=ScriptedProvider(*[answer(misbehave, point)] * (OTHERS + 20)),
        store=store,
        tools=[touch],
        middleware=[AllowAll(), LetIn(), Bad(point, misbehave)],
        offers=offers,
        settings={"busy": "queue", "drain": 0.3},
    ) as gateway:
        for number in range(OTHERS):
            if number % 20 == 0:
                named = Attachment("", "text/plain", "a.txt", remote="a")
                bad.say(asked, chat="b", attachments=(named,) if point == "fetch" else ())
            good.say(f"message {number}", chat=f"g{number % 10}")
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while len({part.text for part in good.sent if part.text.startswith("re:")}) < OTHERS:
                await asyncio.sleep(0.02)
        assert gateway.status()["good"]["restarts"] == 0
        async with asyncio.timeout(10):
            while not met and point != "close":
                await asyncio.sleep(0.02)
        if point != "close":
            bad.point = parts.point = "none"  # the fault is over
        good.say("and now?", chat="g1")
        async with asyncio.timeout(10):
            while "re: and now?" not in [part.text for part in good.sent]:
                await asyncio.sleep(0.02)
    assert met


async def test_a_stopped_turn_ends_though_a_middleware_never_comes_back(tmp_path: Path) -> None:
    platform = FakePlatform()
    async with open_gateway(
        tmp_path,
        platform,
        provider=ScriptedProvider("fine"),
        middleware=[AllowAll(), LetIn(), Bad("turn", hangs)],
        settings={"busy": "interrupt"},
    ):
        platform.say("a bad one")
        await asyncio.sleep(0.1)
        platform.say("another")  # interrupts it
        assert await platform.said(1) == ["fine"]


async def test_a_reply_outlives_a_journal_that_fails_for_a_while(tmp_path: Path) -> None:
    class Full(MemoryStore):
        left = 3

        async def commit(self, changes: Any) -> None:
            if self.left and any(isinstance(c, Settle) and c.queue == "outbox" for c in changes):
                self.left -= 1
                raise StoreError("the disk is full")
            await super().commit(changes)

    platform, store = FakePlatform(), Full()
    async with open_gateway(
        tmp_path, platform, provider=ScriptedProvider("one", "two"), store=store
    ):
        platform.say("Hi")
        assert await platform.said(1, 15) == ["one"]
        platform.say("Hi again")
        assert (await platform.said(2, 15))[1] == "two"


def test_a_plugin_that_holds_the_loop_is_named_and_in_the_end_interrupted(tmp_path: Path) -> None:
    module = tmp_path / "hermes_plugin_greedy.py"
    module.write_text("def compute():\n    while True:\n        pass\n")
    sys.path.insert(0, str(tmp_path))
    log = CapturedLog()

    async def served() -> str:
        import hermes_plugin_greedy  # type: ignore[import-not-found]

        blame = Blame({"hermes_plugin_greedy": "greedy"})
        watchdog = Watchdog(blame, log, every=0.05, patience=0.1, longest=0.4)
        watchdog.start()
        try:
            hermes_plugin_greedy.compute()
        except Blocked:
            return "interrupted"
        finally:
            watchdog.stop()
        return "it ended by itself"

    try:
        assert asyncio.run(served()) == "interrupted"
    finally:
        sys.path.remove(str(tmp_path))
    first = log.entries[0]
    assert (first.level, first.fields["held_by"]) == ("error", "greedy")
    assert "hermes_plugin_greedy.py:" in str(first.fields["where"])
