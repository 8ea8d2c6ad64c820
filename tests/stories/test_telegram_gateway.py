"""The whole of it: a person on Telegram, the real gateway process, a model behind HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from hermes.testing import Call, OpenAIServer, Say, TelegramServer
from hermes.testing.servers import free_port


@asynccontextmanager
async def gateway(
    home: Path, telegram: TelegramServer, model: OpenAIServer, **settings: Any
) -> AsyncIterator[Any]:
    """Run ``hermes gateway run`` over a home; killed at the end if it still runs."""
    config = {
        "model": "openai:test",
        "openai": {"base_url": model.url},
        "telegram": {"enabled": True, "base_url": telegram.url, "poll_seconds": 1, **settings},
        "gateway": {"busy": "queue", "directory": str(home.parent / "place")},
        "access": {"owners": {"telegram": "*"}},
    }
    (home.parent / "place").mkdir(exist_ok=True)
    (home / "config.yaml").write_text(yaml.safe_dump(config))
    (home / ".env").write_text(f"TELEGRAM_BOT_TOKEN={telegram.token}\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hermes", "gateway", "run",
        env={**os.environ, "HERMES_HOME": str(home)},
        stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 30)


async def shows(chat: Any, text: str, seconds: float = 30.0) -> list[str]:
    """Wait until a message of *chat* holds *text*; give all it shows."""
    async with asyncio.timeout(seconds):
        while not any(text in shown for shown in chat.shown):
            await asyncio.sleep(0.05)
    shown: list[str] = chat.shown
    return shown


async def test_somebody_writes_and_is_answered_and_asked(home: Path) -> None:
    note = Call("terminal", '{"command":"echo from the shell | tee note"}')
    run = Say("I will look.", calls=(note,))
    async with (
        TelegramServer() as telegram,
        OpenAIServer("Hello, **Anna**.", run, "Done.") as model,
    ):
        anna = telegram.private("Anna")
        async with gateway(home, telegram, model):
            anna.say("Hello")
            await shows(anna, "Hello, Anna.")  # bold is an entity, not two stars
            anna.say("Run something")
            await shows(anna, "tee note")
            anna.say("/approve")
            await shows(anna, "Done.")
            anna.say("/status")
            await shows(anna, "openai:test")
            anna.say("/model")
            await shows(anna, "/model PROVIDER:MODEL chooses one.")
            anna.press("replay:demo")
            await shows(anna, "This conversation goes on with replay:demo.")
    assert b"from the shell" in model.requests[-1].raw


async def test_killed_in_a_turn_it_answers_after_the_restart_and_once(home: Path) -> None:
    hold = asyncio.Event()
    async with (
        TelegramServer() as telegram,
        OpenAIServer(Say("never", hold=hold), "Here I am again.", "And more.") as model,
    ):
        anna = telegram.private("Anna")
        async with gateway(home, telegram, model) as process:
            anna.say("Are you there?")
            await model.asked(1, 30)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        anna.say("Hello?")  # while it is down
        async with gateway(home, telegram, model):
            await shows(anna, "Here I am again.")
            await shows(anna, "And more.")
        hold.set()
    assert [text for text in anna.shown if "again" in text] == ["Here I am again."]


@pytest.mark.parametrize("mode", ["polling", "webhook"])
async def test_pictures_and_papers_reach_the_model_whichever_way_they_come(
    mode: str, home: Path
) -> None:
    port = free_port()
    hook = {"webhook_port": port, "webhook_url": f"http://127.0.0.1:{port}/telegram"}
    async with (
        TelegramServer() as telegram,
        OpenAIServer("Three pictures.", "A letter.", "A voice.") as model,
    ):
        anna = telegram.private("Anna")
        async with gateway(home, telegram, model, mode=mode, **hook):
            for number in range(3):
                anna.send("photo", album="a1", caption="Our trip" if number == 0 else "")
            await shows(anna, "Three pictures.")
            letter = "Dear Anna, bring the \u2602."
            anna.send("document", letter.encode(), name="letter.txt", media_type="text/plain")
            await shows(anna, "A letter.")
            anna.send("voice", b"OggS", media_type="audio/ogg")
            await shows(anna, "A voice.")
    album, paper, voice = (request.json["messages"][-1]["content"] for request in model.requests)
    assert [part["type"] for part in album] == ["text", *["image_url"] * 3]
    assert album[0]["text"].startswith("Our trip\n[file photo.jpg (image/jpeg, ")
    assert "[file letter.txt (text/plain, 25 bytes): /" in paper
    assert letter in paper
    assert voice.startswith("[voice message voice.ogg (audio/ogg, 4 bytes): /")


async def test_the_agent_hands_over_files_of_the_workspace_unasked_and_no_others(
    home: Path,
) -> None:
    def send(path: str, **more: str) -> Say:
        return Say(calls=(Call("send_file", json.dumps({"path": path, **more})),))

    secret = home / ".env"
    async with (
        TelegramServer() as telegram,
        OpenAIServer(send("plan.txt", caption="The plan"), "There.", send(str(secret)), "No.",
                     send("/etc/hostname"), "Not without you.") as model,
    ):  # fmt: skip
        anna = telegram.private("Anna")
        async with gateway(home, telegram, model):
            (home.parent / "place" / "plan.txt").write_text("First, rest.")
            anna.say("Give me the plan")
            await shows(anna, "There.")
            anna.say("And the secrets")
            await shows(anna, ".env")
            anna.say("/approve")  # not even then
            await shows(anna, "No.")
            anna.say("And that of the machine")
            await shows(anna, "/etc/hostname")
            anna.say("no")
            await shows(anna, "Not without you.")
    (sent,) = telegram.of("sendDocument")
    (file,) = sent.files.values()
    assert (file.name, file.data) == ("plan.txt", b"First, rest.")
    assert anna.shown[0] == "The plan"
    assert not list((home / "outgoing").iterdir())
    assert b"is on its way to the person (12 bytes)" in model.requests[1].raw
    assert b"is out of bounds for file tools" in model.requests[3].raw
