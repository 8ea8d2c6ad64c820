"""The suite of prompt sections passes a good one and fails each bad one for its own fault."""

from __future__ import annotations

from pathlib import Path

from hermes.testing.inner import run_mutants

SOURCE = """
import itertools, time
from pathlib import Path
import pytest
from hermes import PromptSection
from hermes.testing import PromptContract

class Good(PromptSection):
    rank = 30
    async def render(self, session):
        return "" if session.brief else f"Work in {session.info.directory}, please."

class Suite(PromptContract):
    kind = Good
    @pytest.fixture
    def section(self, home):
        self.kind.home = home
        return self.kind()

class TestGood(Suite):
    pass

class NoRank(Good):
    rank = "first"
class TestNoRank(Suite):
    kind = NoRank

class Dirty(Good):
    async def render(self, session):
        return "lone \\ud800"
class TestDirty(Suite):
    kind = Dirty

counter = itertools.count()
class Counts(Good):
    async def render(self, session):
        return f"render {next(counter)}"
class TestCounts(Suite):
    kind = Counts

class Hour(Good):
    async def render(self, session):
        return f"It is hour {int(time.time()) // 3600}"
class TestHour(Suite):
    kind = Hour

class Head(Good):
    async def render(self, session):
        return f"There are {session.info.records} records"
class TestHead(Suite):
    kind = Head

class Clock(Good):
    async def render(self, session):
        return "Started at 9:30"
class TestClock(Suite):
    kind = Clock

class Long(Good):
    async def render(self, session):
        return "word " * 200
class TestLong(Suite):
    kind = Long

class Mixes(Good):
    async def render(self, session):
        import asyncio
        self.session = session
        await asyncio.sleep(0)
        return self.session.info.directory
class TestMixes(Suite):
    kind = Mixes

class Writes(Good):
    async def render(self, session):
        (self.home / "SOUL.md").write_text("me")
        return "x"
class TestWrites(Suite):
    kind = Writes

class Needs(Good):
    async def render(self, session):
        return str(len(list(Path(session.info.directory or "/none").iterdir())))
class TestNeeds(Suite):
    kind = Needs
"""

FAULTS = {
    "TestGood": "",
    "TestNoRank": "it_has_a_place_and_a_size",
    "TestDirty": "it_is_clean_text",
    "TestCounts": "it_says_the_same_each_time",
    "TestHour": "it_says_the_same_at_another_hour",
    "TestHead": "it_says_the_same_at_another_hour",
    "TestClock": "it_tells_no_time_of_day",
    "TestLong": "it_is_brief_where_it_must_be",
    "TestMixes": "conversations_do_not_mix",
    "TestWrites": "it_only_reads",
    "TestNeeds": "a_missing_directory_is_no_error",
}


def test_each_fault_fails_its_own_rule(tmp_path: Path) -> None:
    assert run_mutants(tmp_path, SOURCE, FAULTS) == {}
