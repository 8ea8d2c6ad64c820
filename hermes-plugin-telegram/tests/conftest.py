"""A Telegram of the test's own, and the platform that talks to it through the real client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hermes import Inbox
from hermes.testing import MemoryInbox, TelegramServer
from hermes_plugin_telegram.platform import TelegramPlatform
from hermes_plugin_telegram.settings import TelegramSettings


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with TelegramServer() as server:
        yield server


@pytest.fixture
def make_platform(telegram: TelegramServer, plugin_context) -> Callable[..., TelegramPlatform]:
    """Make a platform with these settings; times are a twentieth of what they are in life."""

    def make(**settings: Any) -> TelegramPlatform:
        quick = {"poll_seconds": 1, "answer_seconds": 0.5, "retry_seconds": 0.5}
        given = TelegramSettings(**{"base_url": telegram.url, **quick, **settings})
        secrets = {
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "TELEGRAM_WEBHOOK_SECRET": "a-secret",
        }
        return TelegramPlatform(plugin_context("telegram", settings=given, secrets=secrets))

    return make


@pytest.fixture
async def platform(make_platform) -> AsyncIterator[TelegramPlatform]:
    """Give an open platform that polls."""
    made = make_platform()
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def inbox(platform: TelegramPlatform) -> AsyncIterator[MemoryInbox]:
    """Give the inbox of the platform, which runs."""
    kept = MemoryInbox()
    async with running(platform, kept):
        yield kept


@asynccontextmanager
async def running(platform: TelegramPlatform, inbox: Inbox) -> AsyncIterator[asyncio.Task[None]]:
    """Run the platform as the gateway does; what it raises comes out."""
    task = asyncio.create_task(platform.run(inbox))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=5)


@pytest.fixture
def run() -> Callable[..., Any]:
    """Give `running` to a test (test modules cannot import each other)."""
    return running
