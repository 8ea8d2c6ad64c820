"""A plugin that ends the whole process: nothing is lost, and the third time it is disabled (§4.3).

The real gateway on Telegram, started again whenever it died, as a supervisor does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from hermes.testing import TelegramServer

CRASHES = {
    "segfault": "import ctypes; ctypes.string_at(0)",
    "exit": "import os; os._exit(9)",
}
MIDDLEWARE = """
    from hermes import Middleware, Stage
    class Fragile(Middleware):
        stage = Stage.GUARD
        def __init__(self, context): pass
        async def receive(self, inbound, call_next):
            if "crash" in inbound.text:
                {crash}
            return await call_next(inbound)
"""
OFFER = """
    @hookimpl
    def hermes_middleware():
        return [Offer("fragile", "hermes_plugin_fragile.parts:Fragile", "It breaks")]
"""


class Home:
    """A home on Telegram whose gateway is started again when it died."""

    def __init__(self, system: Any, telegram: TelegramServer) -> None:
        self.system, self.telegram = system, telegram
        self.path = os.pathsep.join([*system.path, os.environ.get("PYTHONPATH", "")])
        self.statuses: list[int] = []
        """How the lives ended."""
        self.anna, self.bob = telegram.private("Anna"), telegram.private("Bob", id=4711)
        system.configure(
            telegram={"enabled": True, "base_url": telegram.url, "poll_seconds": 1},
            access={"owners": {"telegram": "*"}},
            gateway={"busy": "queue"},
        )
        (system.home / ".env").write_text(f"TELEGRAM_BOT_TOKEN={telegram.token}\n")

    async def serve_until(self, chat: Any, text: str, lives: int = 1) -> int:
        """Serve, for as many lives as it takes and at most *lives*; say how many it took."""
        for life in range(1, lives + 1):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "hermes", "gateway", "run",
                env={**os.environ, **self.system.environment, "PYTHONPATH": self.path},
                stdin=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            dying = asyncio.ensure_future(process.wait())
            try:
                async with asyncio.timeout(60):
                    while not dying.done() and text not in chat.shown:
                        await asyncio.sleep(0.05)
            finally:
                if not dying.done():
                    process.send_signal(signal.SIGTERM)
                self.statuses.append(await dying)
            if text in chat.shown:
                return life
        raise AssertionError(f"{lives} lives, and no {text!r}")

    def logged(self) -> list[dict[str, Any]]:
        lines = (Path(self.system.home) / "logs" / "hermes.log").read_text().splitlines()
        return [json.loads(line) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["segfault", pytest.param("exit", marks=pytest.mark.soak)])
async def test_the_third_death_in_a_plugins_call_disables_it_and_all_is_answered(
    way: str, system: Any, beside: Any
) -> None:
    beside.install("fragile", OFFER, parts=MIDDLEWARE.format(crash=CRASHES[way]))
    async with TelegramServer() as telegram:
        system.model.always = lambda asked: f"re: {asked.json['messages'][-1]['content']}"
        home = Home(system, telegram)
        home.anna.say("crash it")
        home.bob.say("Hello")
        assert await home.serve_until(home.anna, "re: crash it", lives=5) == 4
        assert home.bob.shown.count("re: Hello") == 1
        assert home.anna.shown.count("re: crash it") == 1
    deaths = [e for e in home.logged() if e["event"] == "the process died within a plugin's call"]
    assert [(e["culprit"], e["times"]) for e in deaths] == [("fragile", n) for n in (1, 2, 3)]
    listed = await system.run("plugins")
    assert any("fragile" in line and "disabled" in line for line in listed.out.splitlines())


@pytest.mark.slow
async def test_a_kill_from_outside_is_nobodys_fault(system: Any, beside: Any) -> None:
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    beside.install("fragile", OFFER, parts=MIDDLEWARE.format(crash=killed))
    async with TelegramServer() as telegram:
        system.model.always = lambda asked: "Hello."
        home = Home(system, telegram)
        home.anna.say("crash it")
        with pytest.raises(AssertionError, match="3 lives"):
            await home.serve_until(home.anna, "Hello.", lives=3)
        assert home.statuses == [-signal.SIGKILL] * 3
        listed = await system.run("plugins")
        assert any("fragile" in line and "active" in line for line in listed.out.splitlines())


@pytest.mark.slow
async def test_an_exit_of_a_task_of_a_plugins_own_leaves_the_gateway_running(
    system: Any, beside: Any
) -> None:
    leaking = """
    import asyncio, sys
    from hermes import Middleware, Stage
    async def exits():
        sys.exit(3)
    class Fragile(Middleware):
        stage = Stage.GUARD
        def __init__(self, context): pass
        async def receive(self, inbound, call_next):
            self.task = asyncio.create_task(exits())
            await asyncio.sleep(0.1)
            return await call_next(inbound)
    """
    beside.install("fragile", OFFER, parts=leaking)
    async with TelegramServer() as telegram:
        system.model.always = lambda asked: f"re: {asked.json['messages'][-1]['content']}"
        home = Home(system, telegram)
        home.anna.say("one")
        home.anna.say("two")
        assert await home.serve_until(home.anna, "re: two") == 1
    said = [e for e in home.logged() if e.get("culprit") == "fragile"]
    assert said
    assert "SystemExit" in said[0]["error"]
