"""Telegram calls us: with the secret, kept before it is confirmed, from this machine alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from hermes import Failed
from hermes.testing import MemoryInbox
from hermes.testing.servers import free_port


@pytest.fixture
def settings() -> dict:
    port = free_port()
    url = f"http://127.0.0.1:{port}/telegram"
    return {"mode": "webhook", "webhook_port": port, "webhook_url": url}


@pytest.fixture
async def inbox() -> MemoryInbox:
    return MemoryInbox()


@pytest.fixture
async def hook(telegram, make_platform, settings, inbox, run) -> AsyncIterator[str]:
    """Run a platform that is called; give the address."""
    platform = make_platform(**settings)
    await platform.open()
    async with run(platform, inbox):
        await telegram.called("getWebhookInfo")
        yield settings["webhook_url"]
    await platform.close()


async def test_updates_come_and_are_confirmed(telegram, hook, inbox):
    chat = telegram.private("Anna")
    for number in range(10):
        chat.say(f"message {number}")
    got = await inbox.received(10)
    assert [m.text for m in got] == [f"message {n}" for n in range(10)]
    await telegram.drained()
    assert inbox.kept_cursor == str(telegram.updates.confirmed + 1)
    assert telegram.updates.webhook["secret_token"] == "a-secret"
    assert not telegram.of("getUpdates")


async def test_what_could_not_be_kept_is_brought_again(telegram, hook, inbox):
    inbox.failures += [OSError("disk full"), OSError("disk full")]
    telegram.private("Anna").say("precious")
    got = await inbox.received(1)
    assert [m.text for m in got] == ["precious"]
    assert not inbox.failures


UPDATE = (
    '{"update_id":1,"message":{"message_id":1,"date":1,"chat":{"id":1,"type":"private",'
    '"first_name":"Mallory"},"from":{"id":1,"is_bot":false,"first_name":"Mallory"},"text":"hi"}}'
)
SECRET = {"x-telegram-bot-api-secret-token": "a-secret"}


@pytest.mark.parametrize(
    ("headers", "content", "path", "status"),
    [
        ({}, UPDATE, "", 403),
        ({"x-telegram-bot-api-secret-token": "a-secreT"}, UPDATE, "", 403),
        ({"x-telegram-bot-api-secret-token": "é"}, UPDATE, "", 403),
        (SECRET, UPDATE, "/elsewhere", 404),
        (SECRET, "no json", "", 400),
        (SECRET, "[]", "", 400),
        (SECRET, '{"update_id":"x"}', "", 400),
        (SECRET, UPDATE, "", 200),
    ],
)
async def test_only_telegram_is_heard(hook, inbox, headers, content, path, status):
    raw = {name: value.encode() for name, value in headers.items()}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(hook + path, content=content, headers=raw)
        assert answer.status_code == status
        assert (await client.get(hook)).status_code == 405
    assert len(inbox.messages) == (1 if status == 200 else 0)


async def test_nonsense_and_floods_of_bytes_end_a_connection(telegram, hook, inbox):
    port = int(hook.split(":")[2].split("/")[0])
    for raw in (b"\x16\x03\x01\x02\x00nonsense\r\n\r\n", b"POST /telegram HTTP/1.1\r\nhost: x\r\n"
                b"content-length: 9000000\r\n\r\n" + b"x" * 2_000_000):  # fmt: skip
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        async with asyncio.timeout(5):
            try:
                assert b" 200 " not in await reader.read()
            except ConnectionError:
                pass
        writer.close()
    telegram.private("Anna").say("still here")
    await inbox.received(1)


async def test_a_webhook_that_somebody_removed_is_set_again(telegram, hook, inbox):
    telegram.updates.set_webhook({"url": ""})
    await telegram.called("setWebhook", 2, 5)
    telegram.private("Anna").say("Hello")
    await inbox.received(1)


async def test_without_a_secret_of_ones_own_one_is_made(telegram, make_platform, settings, run):
    platform = make_platform(**settings)
    platform._context.secrets.values.pop("TELEGRAM_WEBHOOK_SECRET")
    await platform.open()
    async with run(platform, MemoryInbox()):
        await telegram.called("getWebhookInfo")
    await platform.close()
    assert len(telegram.updates.webhook["secret_token"]) > 40


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"webhook_listen": "0.0.0.0"}, "TELEGRAM_WEBHOOK_SECRET"),
        ({"webhook_listen": "example.test"}, "TELEGRAM_WEBHOOK_SECRET"),
        ({"webhook_url": ""}, "telegram.webhook_url"),
    ],
)
async def test_a_door_is_not_left_open(make_platform, settings, change, said):
    platform = make_platform(**{**settings, **change})
    platform._context.secrets.values.pop("TELEGRAM_WEBHOOK_SECRET")
    assert said in platform.missing()
    with pytest.raises(Failed, match=said):
        await platform.open()
