"""The failure storm of the system before us, through everything installed (§6.1, pain point 12).

A model id that is always refused, an MCP server, a hundred messages: there that was an agent and an
MCP server started anew for each, and 91 % of a core for hours.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from hermes import runtime as kernel
from hermes.agent import Agent
from hermes.gateway import Gateway
from hermes.testing import Fail, TelegramServer

SENTENCE = (
    "⚠️ This session has failed 3 times in a row with a non-retryable error."
    " Use /reset to start a new session."
)
COUNTED = """
import os, sys
with open({file!r}, "a") as file:
    file.write("started\\n")
os.execv(sys.executable, [sys.executable, {server!r}])
"""


def refuse_one(exchange: Any) -> Any:
    if exchange.json["model"] == "gpt-none":
        return Fail("bad_request", "The model `gpt-none` does not exist", status=400)
    return "Fine."


async def shows(chat: Any, count: int, seconds: float = 60.0) -> list[str]:
    """Wait until *chat* shows so many messages of the bot's."""
    async with asyncio.timeout(seconds):
        while len(chat.of_bot) < count:
            await asyncio.sleep(0.02)
    shown: list[str] = chat.shown
    return shown


async def test_a_model_that_is_always_refused(
    system: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []

    class Counted(Agent):
        def __init__(self, transcript: Any, *given: Any) -> None:
            built.append(transcript.session)
            super().__init__(transcript, *given)

    monkeypatch.setattr(kernel, "Agent", Counted)
    started, server = tmp_path / "started", Path(__file__).with_name("mcp_server.py")
    script = tmp_path / "counted.py"
    script.write_text(COUNTED.format(file=str(started), server=str(server)))
    system.model.always = refuse_one
    async with TelegramServer() as telegram:
        system.configure(
            model="openai:gpt-none",
            telegram={"enabled": True, "base_url": telegram.url, "poll_seconds": 1},
            access={"owners": {"telegram": "*"}},
            gateway={"busy": "queue"},
            mcp_servers={"counted": {"command": sys.executable, "args": [str(script)]}},
        )
        (system.home / ".env").write_text(f"TELEGRAM_BOT_TOKEN={telegram.token}\n")
        anna, bob = telegram.private("Anna"), telegram.private("Bob", id=4711)
        async with system.runtime("gateway") as runtime:
            gateway = Gateway(runtime)
            serving = asyncio.ensure_future(gateway.run())
            for number in range(100):
                anna.say(f"message {number}")
            shown = await shows(anna, 100)
            assert len(system.model.requests) == 3  # the model
            assert built == [built[0]]  # the agent
            assert started.read_text() == "started\n"  # the server
            assert all("gpt-none" in text for text in shown[:3])
            assert set(shown[3:]) == {SENTENCE}

            bob.say("/model openai:gpt-good")
            await shows(bob, 1)
            bob.say("Hello")
            assert (await shows(bob, 2))[1] == "Fine."  # nobody else is touched

            anna.say("/reset")
            await shows(anna, 101)
            anna.say("Hello")
            assert "gpt-none" in (await shows(anna, 102))[101]  # it is asked again
            for _ in range(3):
                anna.say("Hello")
            assert (await shows(anna, 105))[104] == SENTENCE
            anna.say("/model openai:gpt-good")
            await shows(anna, 106)
            anna.say("Hello")
            assert (await shows(anna, 107))[106] == "Fine."  # another model: a new count
            anna.say("/model openai:gpt-none")
            await shows(anna, 108)
            anna.say("Hello")
            assert (await shows(anna, 109))[108] == SENTENCE  # that success was another's
            assert started.read_text() == "started\n"
            gateway.stop()
            await serving
