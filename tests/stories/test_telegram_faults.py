"""Everything that goes wrong with a line, on one gateway that is never restarted (AT-14)."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from hermes.delivery import REPEATED
from hermes.testing import OpenAIServer, TelegramServer
from hermes.testing.unpacking import unpacked

LINES = ("half-open", "black-hole", "refuse", "tls", "errors", "cut", "drop", "deaf")
"""Faults of the line, see `hermes.testing.telegram`."""


@pytest.fixture
async def telegram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TelegramServer]:
    """Give one that speaks https, as the real one does."""
    ca, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with TelegramServer(tls=context) as server:
        yield server


async def status(home: Path, part: str = "telegram") -> dict[str, Any]:
    """What ``hermes gateway status`` says of a part."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hermes", "gateway", "status", "--json",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    found: dict[str, Any] = json.loads(said)["parts"][part]
    return found


async def shows(chat: Any, text: str, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not any(shown.removeprefix(REPEATED) == text for shown in chat.shown):
            await asyncio.sleep(0.05)


async def test_each_fault_heals_by_itself_and_a_token_that_is_taken_back_stops_it(
    home: Path, telegram: TelegramServer, tmp_path: Path
) -> None:
    async with OpenAIServer(
        always=lambda asked: f"re: {asked.json['messages'][-1]['content']}"
    ) as model:
        quick = {"poll_seconds": 1, "answer_seconds": 1, "retry_seconds": 0.5}
        config = {
            "model": "openai:test",
            "openai": {"base_url": model.url},
            "telegram": {"enabled": True, "base_url": telegram.url, **quick},
            "gateway": {"busy": "queue"},
            "access": {"owners": {"telegram": "*"}},
        }
        (home / "config.yaml").write_text(yaml.safe_dump(config))
        (home / ".env").write_text(f"TELEGRAM_BOT_TOKEN={telegram.token}\n")
        token, anna = telegram.token, telegram.private("Anna")
        with (tmp_path / "errors").open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "hermes", "gateway", "run",
                stdin=asyncio.subprocess.DEVNULL, stdout=errors, stderr=errors,
            )  # fmt: skip
        try:
            anna.say("first")
            await shows(anna, "re: first")
            for fault in LINES:
                await telegram.fault(fault)  # type: ignore[arg-type]
                anna.say(f"during {fault}")
                if fault == "refuse":
                    async with asyncio.timeout(20):
                        while (await status(home))["state"] != "degraded":
                            await asyncio.sleep(0.1)
                await asyncio.sleep(0.5)
                await telegram.heal()
                anna.say(f"after {fault}")
                await shows(anna, f"re: during {fault}")
                await shows(anna, f"re: after {fault}")

            other = asyncio.create_task(telegram.updates.get(timeout=1))  # 409: another poller
            anna.say("with a rival")
            await asyncio.wait([other])
            await shows(anna, "re: with a rival")
            telegram.refuse("getUpdates", 429, "Too Many Requests: retry after 1", retry_after=1)
            telegram.refuse("sendMessage", 429, "Too Many Requests: retry after 1", retry_after=1)
            anna.say("in a flood")
            await shows(anna, "re: in a flood")

            async with asyncio.timeout(20):
                while (found := await status(home))["state"] != "running":
                    await asyncio.sleep(0.1)
            assert found["restarts"] == 0
            telegram.revoke()
            async with asyncio.timeout(20):
                while (found := await status(home))["state"] != "stopped":
                    await asyncio.sleep(0.1)
            assert "TELEGRAM_BOT_TOKEN" in found["error"]
            assert process.returncode is None
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 30)
    assert process.returncode == 0
    # The token is in every address that was asked: what libraries said of them holds none.
    written = [file for file in home.rglob("*") if file.is_file() and file.name != ".env"]
    assert home / "logs" / "hermes.log" in written
    for file in (*written, tmp_path / "errors"):
        assert token.encode() not in unpacked(file), file
