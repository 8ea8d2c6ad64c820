"""Finding what was said, whatever it was written in and whatever is typed to find it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from hermes import Answer, Append, Describe, Record, Text, UserSaid
from hermes_plugin_sqlite.store import SQLiteStore
from hermes_plugin_sqlite.text import SNIPPET, parse, snippet


def said(text: str, time: int = 0) -> Record:
    return Record("t", UserSaid(text=text), time=time)


async def found(store: SQLiteStore, query: str, **narrowed: Any) -> list[int]:
    return [hit.seq for hit in await store.search(query, **narrowed)]


async def test_words_phrases_beginnings_or_and_not(store: SQLiteStore) -> None:
    await store.commit(
        [
            Append(
                "s",
                (
                    said("the quick brown fox"),
                    said("the brown quick dog"),
                    said("a quickening pulse"),
                    said("nothing of it, but a.b-c is here"),
                ),
            )
        ]
    )
    for query, wanted in {
        "quick brown": {1, 2},
        '"quick brown"': {1},
        "quick*": {1, 2, 3},
        "fox OR dog": {1, 2},
        "quick NOT dog": {1},
        "fox OR quick NOT brown OR pulse": {1, 3},
        "a.b-c": {4},
        "b-c": {4},
        "c-b": set(),
        "QUICK": {1, 2},
        "NOT quick": set(),
        "OR fox": {1},
        "fox OR": {1},
    }.items():
        assert set(await found(store, query)) == wanted, query


async def test_the_best_come_first_and_of_equals_the_newest(store: SQLiteStore) -> None:
    texts = ["owl", "an owl is an owl is an owl", "owl " + "and much else besides " * 30, "owl"]
    await store.commit([Append("s", tuple(map(said, texts)))])
    assert await found(store, "owl") == [2, 4, 1, 3]
    assert await found(store, "owl", order="oldest", limit=3) == [2, 1, 4]


async def test_of_two_words_the_rare_one_counts_more(store: SQLiteStore) -> None:
    common = [said(f"the weather is number {n}") for n in range(500)]
    rest = [
        said("weather weather weather zyzzyva " + "x " * 30),
        said("zyzzyva zyzzyva weather " + "x " * 31),
    ]
    await store.commit([Append("s", (*common, *rest))])
    assert await found(store, "weather zyzzyva") == [502, 501]


async def test_only_the_newest_2000_are_ranked_and_older_ones_are_paged_to(
    store: SQLiteStore,
) -> None:
    best = said("egg egg egg egg", time=1_000_000)
    rest = [said("an egg and more", time=2_000_000 + n) for n in range(2100)]
    await store.commit([Append("s", (best, *rest))])
    assert 1 not in await found(store, "egg", limit=2000)
    assert (await found(store, "egg", before=2_000_050))[0] == 1
    assert (await found(store, "egg", order="oldest"))[0] == 1


async def test_what_was_imported_late_is_paged_to_by_its_own_time(store: SQLiteStore) -> None:
    await store.commit([Append("new", tuple(said("egg", time=9_000_000 + n) for n in range(5000)))])
    await store.commit(
        [Append("imported", tuple(said("egg", time=1_000 + n) for n in range(5000)))]
    )
    await store.commit([Append("new", (said("egg", time=9_900_000),))])
    hits = await store.search("egg", before=1_010)
    assert {(hit.session, hit.time) for hit in hits} == {("imported", 1_000 + n) for n in range(10)}
    assert await found(store, "egg", before=1) == []


async def test_a_person_s_search_never_shows_another_s(store: SQLiteStore) -> None:
    for n in range(20):
        await store.commit(
            [Describe(f"s{n}", person=f"p{n}"), Append(f"s{n}", (said(f"egg of p{n}"),))]
        )
    for n in range(20):
        assert [hit.snippet for hit in await store.search("egg", person=f"p{n}")] == [
            f"egg of p{n}"
        ]
    await store.commit([Describe("s0", person="p1")])
    assert len(await store.search("egg", person="p1")) == 2


async def test_a_snippet_shows_the_match(store: SQLiteStore) -> None:
    text = "before " * 200 + "\n the  Übermäßig long\ttale " + "after " * 200
    await store.commit([Append("s", (said(text),))])
    (hit,) = await store.search("ubermaßig")
    assert "the Übermäßig long tale" in hit.snippet
    assert hit.snippet.startswith("…before")
    assert hit.snippet.endswith("after…")
    assert len(hit.snippet) <= SNIPPET + 2


async def test_the_answers_text_is_found_but_not_its_thinking(store: SQLiteStore) -> None:
    body = Answer(parts=(Text("visible owl"),), model="fake:model")
    await store.commit([Append("s", (Record("t", body),))])
    (hit,) = await store.search("owl")
    assert hit.role == "assistant"


# Properties, over a store that lives as long as the property.

ALPHABET = st.characters(exclude_categories=["Cs"])
WORDS = st.text(st.sampled_from("abcdeéßxyz09你好世界のカ말ไทย"), min_size=1, max_size=8)


class Shared:
    """A store in an event loop of its own, for examples that run one after another."""

    def __init__(self) -> None:
        self.folder = TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.number = 0

    def open(self, context: Callable[[Path], Any]) -> Shared:
        self.store = SQLiteStore(context(Path(self.folder.name)))
        self.run(self.store.open())
        return self

    def run(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)

    def close(self) -> None:
        self.run(self.store.close())
        self.loop.close()
        self.folder.cleanup()


@pytest.fixture
def shared(context: Callable[[Path], Any]) -> Any:
    shared = Shared().open(context)
    yield shared
    assert shared.run(shared.store.check()) == []
    shared.close()


def test_any_text_comes_back_as_it_was(shared: Shared) -> None:
    @given(st.lists(st.text(ALPHABET, max_size=300), min_size=1, max_size=5))
    @settings(max_examples=100, deadline=None)
    def holds(texts: list[str]) -> None:
        shared.number += 1
        session = f"s{shared.number}"
        shared.run(shared.store.commit([Append(session, tuple(map(said, texts)))]))
        records = shared.run(shared.store.records(session))
        assert [record.body for record in records] == [UserSaid(text=text) for text in texts]

    holds()


def test_no_text_is_a_query_that_fails(shared: Shared) -> None:
    shared.run(shared.store.commit([Append("s", (said("a b c"),))]))

    @given(
        st.one_of(
            st.text(max_size=60),
            st.lists(
                st.sampled_from(
                    [
                        '"',
                        "*",
                        "(",
                        ")",
                        "OR",
                        "NOT",
                        "AND",
                        "NEAR(",
                        "a",
                        "b-",
                        ":",
                        "^",
                        "{",
                        "-",
                        "你",
                        "\0",
                    ]
                ),
                max_size=12,
            ).map(" ".join),
        )
    )
    @settings(max_examples=300, deadline=None)
    def holds(query: str) -> None:
        shared.run(shared.store.search(query))

    holds()


def test_a_word_that_was_said_is_found(shared: Shared) -> None:
    @given(st.lists(WORDS, min_size=1, max_size=8), st.data())
    @settings(max_examples=150, deadline=None)
    def holds(words: list[str], data: st.DataObject) -> None:
        shared.number += 1
        session = f"s{shared.number}"
        shared.run(shared.store.commit([Append(session, (said(" ".join(words)),))]))
        word = data.draw(st.sampled_from(words))
        hits = shared.run(shared.store.search(word, session=session))
        assert [hit.seq for hit in hits] == [1]
        assert parse(word).pattern is not None

    holds()


@given(st.text(max_size=500), st.text(max_size=20))
@settings(deadline=None)
def test_a_snippet_is_one_short_line(text: str, query: str) -> None:
    cut = snippet(text, parse(query).pattern)
    assert len(cut) <= SNIPPET + 2
    assert "\n" not in cut
