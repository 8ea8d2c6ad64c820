"""Each fault of the line shows while it lasts and heals without a restart (AT-14, scaled)."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time

import pytest
import trustme

from hermes import Failed, Part, SessionKey
from hermes.testing import MemoryInbox, TelegramServer

pytestmark = pytest.mark.filterwarnings("ignore:.*retry_after")


async def degraded(platform, seconds: float) -> str:
    """Wait until the health says that something is wrong, and what."""
    async with asyncio.timeout(seconds):
        while not (health := platform.health()).problem:
            await asyncio.sleep(0.01)
    assert health.failures > 0
    return health.problem


@pytest.mark.parametrize(
    "fault", ["half-open", "black-hole", "refuse", "errors", "cut", "drop", "deaf"]
)
async def test_a_fault_shows_and_heals_without_a_restart(telegram, platform, run, fault):
    chat, inbox = telegram.private("Anna"), MemoryInbox()
    async with run(platform, inbox) as task:
        chat.say("before")
        await inbox.received(1)
        await telegram.fault(fault)
        chat.say("during")
        if fault not in ("half-open", "deaf"):  # new connections work; silence looks like peace
            assert await degraded(platform, 4.5)  # 90 s in life
        await telegram.heal()
        healed = time.monotonic()
        got = await inbox.received(2, 3.0)  # 60 s in life
        chat.say("after")
        await inbox.received(3, 3.0)
        assert time.monotonic() - healed < 3.0
        assert [m.text for m in got] == ["before", "during", "after"]
        assert not task.done()
        assert not platform.health().problem


async def test_a_handshake_that_fails_for_a_while_heals(make_platform, run, tmp_path, monkeypatch):
    ca, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with TelegramServer(tls=context) as telegram:
        platform, inbox = make_platform(base_url=telegram.url), MemoryInbox()
        await platform.open()
        async with run(platform, inbox) as task:
            chat = telegram.private("Anna")
            chat.say("before")
            await inbox.received(1)
            await telegram.fault("tls")
            chat.say("during")
            async with asyncio.timeout(4.5):
                while "handshake" not in platform.health().problem.lower():
                    await asyncio.sleep(0.01)
            await telegram.heal()
            got = await inbox.received(2, 3.0)
            assert [m.text for m in got] == ["before", "during"]
            assert not task.done()
            assert not platform.health().problem
        await platform.close()


async def test_it_is_heard_while_nobody_says_anything(telegram, platform, run):
    async with run(platform, MemoryInbox()):
        await telegram.called("getUpdates", 1)
        before = platform.health().heard
        await telegram.called("getUpdates", 3)
        assert platform.health().heard > before > 0


async def test_health_counts_what_came_and_went(telegram, platform, run):
    chat, inbox = telegram.private("Anna"), MemoryInbox()
    assert platform.health().heard == 0
    async with run(platform, inbox):
        for number in range(3):
            chat.say(f"{number}")
        await inbox.received(3)
        await platform.send(Part(SessionKey("telegram", str(chat.id)), "Hi"))
    health = platform.health()
    assert (health.received, health.sent, health.problem) == (3, 1, "")


async def test_it_goes_on_trying_as_long_as_it_takes(telegram, platform, run):
    await telegram.fault("refuse")
    inbox = MemoryInbox()
    async with run(platform, inbox) as task:
        while platform.health().failures < 8:
            await asyncio.sleep(0.02)
        assert not task.done()
        await telegram.heal()
        telegram.private("Anna").say("Hello")
        await inbox.received(1)
        assert platform.health().failures == 0


async def test_another_poller_is_named_and_outlasted(telegram, platform, run):
    chat, inbox = telegram.private("Anna"), MemoryInbox()
    async with run(platform, inbox):
        await telegram.called("getMe")
        await asyncio.sleep(0.05)
        other = asyncio.create_task(telegram.updates.get(timeout=1))
        assert "another program fetches this bot's updates" in await degraded(platform, 3)
        await asyncio.wait([other])
        chat.say("mine")
        await inbox.received(1)


async def test_a_webhook_that_is_left_over_is_removed_and_nothing_lost(telegram, platform, run):
    telegram.updates.set_webhook({"url": "http://127.0.0.1:9/gone"})
    telegram.private("Anna").say("waiting")
    inbox = MemoryInbox()
    async with run(platform, inbox):
        await inbox.received(1)
    assert not telegram.updates.webhook


async def test_a_flood_limit_on_receiving_is_waited_out(telegram, platform, run):
    telegram.refuse("getUpdates", 429, "Too Many Requests: retry after 1", retry_after=1)
    telegram.private("Anna").say("Hello")
    inbox = MemoryInbox()
    began = time.monotonic()
    async with run(platform, inbox):
        await inbox.received(1)
    assert time.monotonic() - began >= 1.0


async def test_a_refusal_that_passes_does_not_stop_it(telegram, platform, run):
    """Telegram refused good tokens for a moment before now."""
    telegram.refuse("getUpdates", 401, "Unauthorized", times=2)
    telegram.private("Anna").say("Hello")
    inbox = MemoryInbox()
    async with run(platform, inbox):
        await inbox.received(1)


async def test_what_the_inbox_raises_comes_out(telegram, platform, run):
    inbox = MemoryInbox()
    inbox.failures.append(OSError("disk full"))
    telegram.private("Anna").say("Hello")
    async with run(platform, inbox) as task:
        await asyncio.wait([task], timeout=5)
        assert isinstance(task.exception(), OSError)


async def test_calls_that_nobody_waits_for_any_more_keep_no_connection(telegram, platform):
    """Typing ends in the middle of its call whenever a turn does."""
    key = SessionKey("telegram", str(telegram.private("Anna").id))
    for _ in range(20):
        calls = [asyncio.create_task(platform.typing(key)) for _ in range(20)]
        for call in calls:
            await asyncio.sleep(0.001)
            call.cancel()
        await asyncio.wait(calls)
    async with asyncio.timeout(5):
        await platform.send(Part(key, "Still here"))


async def test_a_name_that_does_not_resolve_for_a_while_heals(
    telegram, make_platform, run, monkeypatch
):
    platform = make_platform(base_url=telegram.url.replace("127.0.0.1", "localhost"))
    await platform.open()
    loop, inbox, resolved = asyncio.get_running_loop(), MemoryInbox(), []

    async def unknown(host, *given, **more):
        resolved.append(host)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    with monkeypatch.context() as patched:
        patched.setattr(loop, "getaddrinfo", unknown)
        async with run(platform, inbox):
            assert "name resolution" in await degraded(platform, 4.5)
            assert resolved
            with pytest.raises(Failed) as raised:
                await platform.send(Part(SessionKey("telegram", "1"), "Hi"))
            assert not raised.value.failure.unsure
            patched.undo()
            telegram.private("Anna").say("Hello")
            await inbox.received(1)
    await platform.close()
