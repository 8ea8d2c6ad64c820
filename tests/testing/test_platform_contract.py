"""The suite of platforms passes the fake and fails each bad one for its own fault."""

from __future__ import annotations

from pathlib import Path

from hermes.testing.inner import run_mutants

SOURCE = """
import asyncio, contextlib
import msgspec, pytest
from hermes import Failed, Failure, PlatformLimits, Receipt
from hermes.testing import FakePlatform, PlatformContract

class Suite(PlatformContract):
    kind = FakePlatform
    limits = PlatformLimits(length=100, edits=True)
    @pytest.fixture
    def platform(self):
        return self.kind(self.limits)
    def say(self, platform, text, id):
        platform.say(text, id=id)
    def shown(self, platform):
        return list(platform.shown.values())
    def revoke(self, platform):
        platform.revoke()
    faults = ("refuse", "half-open", "drop", "deaf")
    async def break_line(self, platform, fault):
        platform.fault(fault)
    async def mend_line(self, platform):
        platform.heal()

class TestGood(Suite):
    pass
class TestGoodPlain(Suite):
    limits = PlatformLimits(length=101)
class TestGoodUtf16Keyed(Suite):
    limits = PlatformLimits(length=100, unit="utf16", keyed=True)
class TestGoodBytes(Suite):
    limits = PlatformLimits(length=101, unit="bytes")

class Escapes(FakePlatform):
    async def send(self, part):
        text = part.text.replace("&", "&amp;")
        return await super().send(msgspec.structs.replace(part, text=text))
class TestEscapes(Suite):
    kind = Escapes

class OneId(FakePlatform):
    async def send(self, part):
        await super().send(part)
        return Receipt("1")
class TestOneId(Suite):
    kind = OneId

class Boasts(FakePlatform):
    def _check(self, part):
        if len(part.text) > 90:
            self._refuse("too long")
class TestBoasts(Suite):
    kind = Boasts

class Cuts(FakePlatform):
    async def send(self, part):
        return await super().send(msgspec.structs.replace(part, text=part.text[:100]))
class TestCuts(Suite):
    kind = Cuts

class WrongKind(FakePlatform):
    def _refuse(self, why):
        raise Failed(Failure("transient", why))
class TestWrongKind(Suite):
    kind = WrongKind

class AddsEdits(FakePlatform):
    async def send(self, part):
        return await super().send(msgspec.structs.replace(part, edits=""))
class TestAddsEdits(Suite):
    kind = AddsEdits

class Unkeyed(FakePlatform):
    async def send(self, part):
        return await super().send(msgspec.structs.replace(part, token=""))
class TestUnkeyed(Suite):
    kind = Unkeyed
    limits = PlatformLimits(length=100, keyed=True)

class Newest(FakePlatform):
    async def run(self, inbox):
        await asyncio.sleep(0.05)
        await inbox.put(tuple(reversed(self._updates)), cursor=str(len(self._updates)))
        await asyncio.Event().wait()
class TestNewest(Suite):
    kind = Newest

class Renumbers(FakePlatform):
    def say(self, text, *, id=""):
        return super().say(text, id=str(len(self._updates)))
class TestRenumbers(Suite):
    kind = Renumbers

class Drops(FakePlatform):
    async def run(self, inbox):
        done = int(await inbox.cursor() or 0)
        while True:
            self._wake.clear()
            for n in range(done, len(self._updates)):
                done = n + 1
                with contextlib.suppress(OSError):
                    await inbox.put((self._updates[n],), cursor=str(n + 1))
                    continue
                await inbox.put((), cursor=str(n + 1))
            await self._wake.wait()
class TestDrops(Suite):
    kind = Drops
    async def test_what_could_not_be_kept_comes_again(self, opened):
        async with asyncio.timeout(0.5):
            await super().test_what_could_not_be_kept_comes_again(opened)

class StartsNow(FakePlatform):
    async def run(self, inbox):
        self._updates.clear()
        await super().run(inbox)
class TestStartsNow(Suite):
    kind = StartsNow
    async def test_it_goes_on_from_the_kept_cursor(self, opened):
        async with asyncio.timeout(0.5):
            await super().test_it_goes_on_from_the_kept_cursor(opened)

class Stubborn(FakePlatform):
    async def run(self, inbox):
        try:
            await super().run(inbox)
        except asyncio.CancelledError:
            await asyncio.sleep(1.2)
class TestStubborn(Suite):
    kind = Stubborn

class Vague(FakePlatform):
    def _check_token(self):
        if self.revoked:
            raise Failed(Failure("transient", "Unauthorized"))
class TestVague(Suite):
    kind = Vague

class SkipsWhatItMissed(FakePlatform):
    async def run(self, inbox):
        if self.restarted:
            await inbox.put((), cursor=str(len(self._updates)))
        self.restarted = True
        await super().run(inbox)
    restarted = False
class TestSkipsWhatItMissed(Suite):
    kind = SkipsWhatItMissed
    heals_in = 0.5
    async def test_what_could_not_be_kept_comes_again(self, opened): ...
    async def test_it_goes_on_from_the_kept_cursor(self, opened): ...

class AlwaysSure(FakePlatform):
    def _no_answer(self):
        return Failed(Failure("timeout", "no answer"))
class TestAlwaysSure(Suite):
    kind = AlwaysSure
"""

FAULTS = {
    "TestGood": "",
    "TestGoodPlain": "",
    "TestGoodUtf16Keyed": "",
    "TestGoodBytes": "",
    "TestEscapes": "a_part_arrives_as_it_is",
    "TestOneId": "a_part_arrives_as_it_is",
    "TestBoasts": "its_stated_length_is_taken",
    "TestCuts": "what_is_too_long_is_refused_never_cut",
    "TestWrongKind": "what_is_too_long_is_refused_never_cut",
    "TestAddsEdits": "an_edit_replaces_where_edits_are_offered",
    "TestUnkeyed": "a_repeated_token_is_shown_once_where_keys_are_offered",
    "TestNewest": "what_is_said_arrives_in_order",
    "TestRenumbers": "a_repeat_carries_the_same_id",
    "TestDrops": "what_could_not_be_kept_comes_again",
    "TestStartsNow": "it_goes_on_from_the_kept_cursor",
    "TestStubborn": "it_stops_at_once_when_cancelled",
    "TestVague": "bad_credentials_are_an_authentication_failure",
    "TestSkipsWhatItMissed": "each_fault_of_the_line_heals_without_anybody_doing_anything",
    "TestAlwaysSure": "a_send_says_whether_it_may_have_arrived",
}


def test_each_fault_fails_its_own_rule(tmp_path: Path) -> None:
    assert run_mutants(tmp_path, SOURCE, FAULTS) == {}
