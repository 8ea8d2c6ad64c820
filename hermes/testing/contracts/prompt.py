"""What every `PromptSection` must do: the same bytes, whatever the hour (architecture §5.5)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import msgspec
import pytest

from hermes.messages import clean
from hermes.prompt import PromptSection, PromptSession
from hermes.session import SessionInfo

CLOCK = re.compile(r"\b\d{1,2}:\d{2}(:\d{2})?\b")
BRIEF_WORDS = 80
"""What a section may say to a model that takes persona and question only."""
CREATED = 1_750_000_000_000_000


class PromptContract:
    """Subclass and give the fixture `section`; `session` gives what it is rendered for."""

    @pytest.fixture
    def section(self) -> PromptSection:
        raise NotImplementedError("the suite needs a fixture `section`")

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Path:
        """The conversation's directory; override to put files there."""
        folder = tmp_path / "workspace"
        folder.mkdir()
        return folder

    @pytest.fixture
    def session(self, workspace: Path) -> PromptSession:
        info = SessionInfo("session-1", directory=str(workspace), created=CREATED, updated=CREATED)
        return PromptSession(info, tools=("read_file", "terminal"))

    def test_it_has_a_place_and_a_size(self, section: PromptSection) -> None:
        assert isinstance(section.rank, int)
        assert isinstance(section.cap, int)
        assert section.cap > 0

    async def test_it_is_clean_text(self, section: PromptSection, session: PromptSession) -> None:
        said = await section.render(session)
        assert isinstance(said, str)
        assert clean(said) == said

    async def test_it_says_the_same_each_time(
        self, section: PromptSection, session: PromptSession
    ) -> None:
        assert await section.render(session) == await section.render(session)

    async def test_it_says_the_same_at_another_hour(
        self, section: PromptSection, session: PromptSession
    ) -> None:
        """A turn changes a conversation's counters; an hour passes. Neither may change a byte."""
        said = await section.render(session)
        hour = 3_600_000_000
        later = msgspec.structs.replace(
            session.info, updated=CREATED + hour, records=40, head=40, open_turn="t", title="Named"
        )
        with mock.patch("time.time", return_value=(CREATED + hour) / 1_000_000):
            again = await section.render(msgspec.structs.replace(session, info=later))
        assert again == said

    async def test_it_tells_no_time_of_day(
        self, section: PromptSection, session: PromptSession
    ) -> None:
        found = CLOCK.search(await section.render(session))
        assert not found, f"it says the time: {found[0]}"

    async def test_it_is_brief_where_it_must_be(
        self, section: PromptSection, session: PromptSession
    ) -> None:
        said = await section.render(msgspec.structs.replace(session, brief=True, tools=()))
        assert len(said.split()) <= BRIEF_WORDS, "say nothing, or little, to a small model"

    async def test_conversations_do_not_mix(
        self, section: PromptSection, session: PromptSession, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        other = msgspec.structs.replace(
            session, info=SessionInfo("session-2", directory=str(elsewhere), created=CREATED)
        )
        alone = [await section.render(one) for one in (session, other)]
        both = await asyncio.gather(*(section.render(one) for one in [session, other] * 5))
        assert both == alone * 5

    async def test_it_only_reads(
        self, section: PromptSection, session: PromptSession, workspace: Path, home: Path
    ) -> None:
        before = [*files(workspace), *files(home)]
        await section.render(session)
        assert [*files(workspace), *files(home)] == before

    async def test_a_missing_directory_is_no_error(
        self, section: PromptSection, session: PromptSession
    ) -> None:
        gone = SessionInfo("session-3", directory="/nowhere/at/all", created=CREATED)
        assert isinstance(await section.render(PromptSession(gone)), str)
        none = SessionInfo("session-4", created=CREATED)
        assert isinstance(await section.render(PromptSession(none)), str)


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give every file beneath *folder* with what is in it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()
