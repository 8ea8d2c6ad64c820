"""``hermes send`` and ``hermes gateway``: people and scripts outside, the real process inside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hermes.testing import OpenAIServer, TelegramServer


class Serving:
    """A home whose gateway runs, on Telegram."""

    def __init__(self, system: Any, telegram: TelegramServer) -> None:
        self.system, self.telegram = system, telegram
        system.configure(
            telegram={"enabled": True, "base_url": telegram.url, "poll_seconds": 1},
            access={"owners": {"telegram": "*"}},
        )
        (system.home / ".env").write_text(f"TELEGRAM_BOT_TOKEN={telegram.token}\n")

    async def run(self, *arguments: str, **options: Any) -> Any:
        return await self.system.run(*arguments, **options)

    async def status(self, *options: str) -> dict[str, Any]:
        done = await self.run("gateway", "status", "--json", *options)
        found: dict[str, Any] = json.loads(done.out)
        return found

    async def until(self, state: str, part: str = "telegram", seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while True:
                found = await self.status()
                if found.get("parts", {}).get(part, {}).get("state") == state:
                    return
                await asyncio.sleep(0.1)

    async def shows(self, chat: Any, text: str, seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not any(text in shown for shown in chat.shown):
                await asyncio.sleep(0.05)


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with TelegramServer() as server:
        yield server


@pytest.fixture
async def serving(system: Any, telegram: TelegramServer) -> AsyncIterator[Serving]:
    made = Serving(system, telegram)
    started = await made.run("gateway", "start")
    assert started.status == 0, started.errors
    await telegram.called("getUpdates", seconds=30)
    yield made
    await made.run("gateway", "stop")


async def test_a_script_sends_text_files_and_what_another_program_prints(
    serving: Serving, place: Path
) -> None:
    anna = serving.telegram.private("Anna")
    chat = str(anna.id)
    done = await serving.run("send", f"telegram:{chat}", "The backup is **done**.")
    assert (done.status, done.out) == (0, f"Sent to telegram:{chat}.\n")
    assert anna.shown == ["The backup is done."]
    done = await serving.run("send", f"telegram:{chat}", "-q", stdin="from a pipe\n")
    assert (done.status, done.out) == (0, "")
    (place / "report.txt").write_text("from a file")
    await serving.run("send", f"telegram:{chat}", "-f", "report.txt", "-s", "Report")
    assert anna.shown[1:] == ["from a pipe", "Report\n\nfrom a file"]
    done = await serving.run(
        "send", f"telegram:{chat}", "--attach", "report.txt", "here it is", "--json"
    )
    told = json.loads(done.out)
    assert (told["success"], told["status"], len(told["message_ids"])) == (True, "delivered", 1)
    (file,) = [m for m in anna.of_bot if "document" in m]
    assert (file["document"]["file_name"], file["caption"]) == ("report.txt", "here it is")
    assert list((serving.system.home / "outgoing").iterdir()) == []  # the copy is gone


async def test_a_platform_alone_is_its_home_chat(serving: Serving) -> None:
    anna = serving.telegram.private("Anna")
    done = await serving.run("send", "telegram", "Hello")
    assert done.status == 1
    assert "no home chat" in done.errors
    assert "/sethome" in done.errors
    anna.say("/sethome")
    await serving.shows(anna, "home of telegram")
    done = await serving.run("send", "telegram", "Hello")
    assert done.status == 0, done.errors
    assert anna.shown[-1] == "Hello"
    assert str(anna.id) in (await serving.run("send", "--list")).out


async def test_what_cannot_be_sent_says_so_in_one_line(system: Any, telegram: Any) -> None:
    serving = Serving(system, telegram)
    done = await serving.run("send", "telegram:1", "Hello")
    assert done.status == 1
    assert "the gateway, which speaks to telegram, does not run" in done.errors
    assert len(done.lines) == 1
    async with system.runtime() as runtime:
        assert await runtime.store.pending("outbox") == []  # and nothing comes hours later
    for arguments, said in (
        (("send", "telegraph:1", "x"), "no platform 'telegraph'"),
        (("send", "", "x"), "say where to"),
        (("send", "telegram:", "x"), "after the colon"),
        (("send", "telegram:1", "-f", "nowhere"), "nowhere cannot be read"),
        (("send", "telegram:1", "-a", "nowhere"), "nowhere is not a file"),
        (("send", "telegram:1", "x", "-f", "y"), "not both"),
    ):
        done = await serving.run(*arguments, stdin="")
        assert (done.status, len(done.lines)) == (2, 1), done.errors
        assert said in done.errors


async def test_a_message_for_a_paused_platform_is_kept_and_goes_out_when_it_is_back(
    serving: Serving,
) -> None:
    anna = serving.telegram.private("Anna")
    assert "telegram is paused" in (await serving.run("gateway", "pause", "telegram")).out
    done = await serving.run("send", f"telegram:{anna.id}", "Later", "--wait", "0.5", "--json")
    told = json.loads(done.out)
    assert (done.status, told["status"]) == (75, "waiting")
    assert "does not run here" in told["error"]
    await serving.until("paused")
    await serving.run("gateway", "restart")  # a pause outlives it, and so does the message
    await serving.until("paused")
    assert anna.shown == []
    assert "runs again" in (await serving.run("gateway", "resume", "telegram")).out
    await serving.shows(anna, "Later")
    assert anna.shown == ["Later"]


async def test_a_chat_that_telegram_does_not_have_is_said(serving: Serving) -> None:
    done = await serving.run("send", "telegram:424242", "Hello")
    assert done.status == 1
    assert "did not take it" in done.errors
    assert "Chat not found" in done.errors


async def test_status_tells_when_it_last_heard_and_spoke_and_a_deep_look_really_asks(
    serving: Serving, model: OpenAIServer
) -> None:
    anna = serving.telegram.private("Anna")
    before = time.time()
    anna.say("/status")
    await serving.shows(anna, "openai:test")
    calls = len(serving.telegram.of("getMe"))
    found = await serving.status("--deep")
    part = found["parts"]["telegram"]
    assert part["state"] == "running"
    assert part["probe"]["ok"] is True
    assert "knows us as @" in part["probe"]["said"]
    assert len(serving.telegram.of("getMe")) == calls + 1
    assert (found["waiting"], found["unsent"], found["damage"]) == (0, 0, [])

    assert min(part["last_received"], part["last_sent"]) > before - 1
    shown = (await serving.run("gateway", "status")).out
    assert "received" in shown
    assert "ago" in shown


async def test_a_deep_look_finds_what_the_states_do_not_show(serving: Serving) -> None:
    serving.telegram.refuse("getMe", 502, "Bad Gateway")
    done = await serving.run("gateway", "status", "--deep")
    assert done.status == 1
    assert "not well: telegram" in done.errors
    pid = (await serving.status())["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        done = await serving.run("gateway", "status", "--deep")
        assert done.status == 1
        assert "the gateway does not answer" in done.errors
        assert "but it does not answer" in done.out
    finally:
        os.kill(pid, signal.SIGCONT)
