"""Messages that answer none: kept first, sent once, with copies of their files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hermes.errors import Failure, HermesError, NotFound
from hermes.platform import Attachment, Outgoing
from hermes.session import SessionKey
from hermes.testing import FakePlatform, MemoryStore, ScriptedProvider, open_gateway, open_runtime

KEY = SessionKey("fake", "1")


async def test_what_is_put_is_sent_once_and_its_end_is_told(tmp_path: Path) -> None:
    platform = FakePlatform()
    async with open_gateway(tmp_path, platform, provider=ScriptedProvider()) as gateway:
        outbox = gateway.runtime.outbox
        key = await outbox.put(Outgoing(KEY, "Hello"), key="job-7:monday")
        sent = await outbox.wait(key)
        assert (sent.end, sent.ids) == ("delivered", ("sent-1",))
        await outbox.put(Outgoing(KEY, "Hello"), key="job-7:monday")  # the job ran again
        assert (await outbox.wait(key)).end == "delivered"
        platform.failures = [Failure("bad_request", "chat not found")]
        refused = await outbox.wait(await outbox.put(Outgoing(KEY, "Anybody?")))
        assert (refused.end, refused.why) == ("failed", "chat not found")
        platform.failures = [Failure("rate_limit", "slow down", retry_after=30)]
        waits = await outbox.wait(await outbox.put(Outgoing(KEY, "Later")), 0.05)
        assert (waits.end, waits.why) == ("", "slow down")
        assert (await outbox.wait("nothing")).why == "the outbox has no such message"
        with pytest.raises(NotFound, match="fake has no home chat"):
            await outbox.put(Outgoing(SessionKey("fake", ""), "Hello"))
        await outbox.set_home(SessionKey("fake", "home", person="p1"))
        assert await outbox.home("fake") == SessionKey("fake", "home")
        await outbox.wait(await outbox.put(Outgoing(SessionKey("fake", ""), "Hello, home")))
    assert sorted(part.text for part in platform.sent) == ["Hello", "Hello, home", "Later"]


async def test_a_file_is_sent_as_it_was_when_it_was_put(tmp_path: Path) -> None:
    store, file = MemoryStore(), tmp_path / "report.txt"
    file.write_text("first")
    async with open_runtime(tmp_path, provider=ScriptedProvider(), store=store) as runtime:
        outgoing = Outgoing(KEY, "Here", attachments=(Attachment(str(file), "text/plain"),))
        await runtime.outbox.put(outgoing)
        lost = (Attachment(str(tmp_path / "gone.txt"), "text/plain"),)
        with pytest.raises(HermesError, match=r"gone\.txt cannot be read"):
            await runtime.outbox.put(Outgoing(KEY, "", attachments=lost))
        assert not await runtime.outbox.served()
        assert (await runtime.outbox.wait("x", 0.1)).why == "no gateway runs"
    file.unlink()
    seen: list[str] = []

    class Reads(FakePlatform):
        async def send(self, part):  # type: ignore[no-untyped-def]
            if part.attachment:
                seen.append(f"{part.attachment.name}: {Path(part.attachment.path).read_text()}")
            return await super().send(part)

    platform = Reads()
    async with open_gateway(tmp_path, platform, provider=ScriptedProvider(), store=store):
        assert await platform.said(1) == ["Here"]
        async with asyncio.timeout(5):
            while await store.pending("outbox"):
                await asyncio.sleep(0.01)
    assert seen == ["report.txt: first"]
    assert list((tmp_path / "outgoing").iterdir()) == []
