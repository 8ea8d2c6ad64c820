"""What every `Store` must do (architecture §7)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

import pytest

from hermes.errors import Conflict, StoreError
from hermes.messages import Text, ToolUse
from hermes.records import (
    Answer,
    Body,
    Ended,
    Erased,
    Finished,
    Note,
    Opened,
    Record,
    Steered,
    Unknown,
    UserSaid,
)
from hermes.session import SessionKey
from hermes.store import (
    Append,
    Bind,
    Describe,
    Enqueue,
    Lease,
    SetState,
    Settle,
    Store,
)

HOUR = 3_600_000_000
"""In microseconds."""

MakeStore = Callable[[], Store]


def now() -> int:
    return time.time_ns() // 1000


def said(text: str, turn: str = "t1", time: int = 0) -> Record:
    """Somebody's message, the first record of a turn."""
    return Record(turn, UserSaid(text=text), time=time)


def answered(text: str, turn: str = "t1") -> Record:
    return Record(turn, Answer(parts=(Text(text),), model="fake:model"))


def ended(turn: str = "t1") -> Record:
    return Record(turn, Ended(status="ok"))


class StoreContract:
    """Subclass and give the fixture `make_store`: it makes a store, not yet opened, and each call
    makes another on the same data, as the next or a second process would.
    """

    searches = True
    """False for a store without an index: `search` then raises NotImplementedError."""

    @pytest.fixture
    def make_store(self) -> MakeStore:
        raise NotImplementedError("the suite needs a fixture `make_store`")

    @pytest.fixture
    async def store(self, make_store: MakeStore) -> AsyncIterator[Store]:
        store = make_store()
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    async def other(self, store: Store, make_store: MakeStore) -> AsyncIterator[Store]:
        """Another store on the same data, open at the same time."""
        other = make_store()
        await other.open()
        yield other
        await other.close()

    # Records

    async def test_records_come_back_numbered_and_timed(self, store: Store) -> None:
        before = now()
        await store.commit([Append("s", (said("hello"), answered("hi")))])
        first, second = await store.records("s")
        assert (first.seq, second.seq) == (1, 2)
        assert first.body == UserSaid(text="hello")
        assert first.turn == "t1"
        assert before <= first.time <= now()

    async def test_a_given_time_is_kept(self, store: Store) -> None:
        await store.commit([Append("s", (said("from long ago", time=1_000_000),))])
        assert (await store.records("s"))[0].time == 1_000_000
        info = await store.session("s")
        assert info is not None
        assert (info.created, info.updated) == (1_000_000, 1_000_000)

    async def test_only_the_tail_is_read_when_asked(self, store: Store) -> None:
        await store.commit([Append("s", tuple(said(str(n)) for n in range(10)))])
        assert [record.seq for record in await store.records("s", after=7)] == [8, 9, 10]
        assert [record.seq for record in await store.records("s", after=2, limit=3)] == [3, 4, 5]
        assert await store.records("s", after=10) == []
        assert await store.records("nobody") == []

    async def test_a_record_of_a_newer_program_is_carried(self, store: Store) -> None:
        newer = Unknown(of="telepathy", of_version=7, payload=b'{"thought":"hm"}')
        await store.commit([Append("s", (Record("", newer), said("hello")))])
        assert (await store.records("s"))[0].body == newer

    async def test_a_note_comes_back(self, store: Store) -> None:
        note = Note(plugin="todo", name="list", data='{"é": "ü"}', data_version=2)
        await store.commit([Append("s", (Record("", note),))])
        assert (await store.records("s"))[0].body == note

    async def test_what_no_utf8_can_hold_is_refused_and_hurts_nobody(self, store: Store) -> None:
        await store.commit([Append("s", (said("fine"),))])
        with pytest.raises(StoreError):
            await store.commit([Append("s", (said("lone \ud800 surrogate"),))])
        await store.commit([Append("s", (said("fine too"),), after=1)])

    # All or nothing, alone or in company

    async def test_a_commit_is_made_whole_or_not_at_all(self, store: Store) -> None:
        await store.commit([Append("s", (said("one"),))])
        key = SessionKey("cli", "here")
        with pytest.raises(Conflict):
            await store.commit(
                [
                    Append("new", (said("in vain"),)),
                    Bind(key, "new"),
                    Enqueue("inbox", "k", b"in vain"),
                    SetState("process", "", "name", b"1"),
                    Append("s", (said("two"),), after=0),
                ]
            )
        assert await store.records("new") == []
        assert await store.session("new") is None
        assert await store.bound(key) is None
        assert await store.pending("inbox") == []
        assert await store.state("process", "", "name") is None
        assert len(await store.records("s")) == 1

    async def test_commits_at_once_succeed_or_fail_alone(self, store: Store) -> None:
        results = await asyncio.gather(
            *(store.commit([Append("race", (said(f"{n}"),), after=0)]) for n in range(20)),
            *(store.commit([Append(f"s{n}", (said(f"{n}"),), after=0)]) for n in range(20)),
            return_exceptions=True,
        )
        assert sum(result is None for result in results[:20]) == 1
        assert all(isinstance(result, (Conflict, type(None))) for result in results[:20])
        assert results[20:] == [None] * 20
        assert len(await store.records("race")) == 1
        assert [len(await store.records(f"s{n}")) for n in range(20)] == [1] * 20

    async def test_an_empty_commit_is_nothing(self, store: Store) -> None:
        await store.commit([])
        assert (await store.stats()).records == 0

    async def test_what_is_committed_outlives_the_store(
        self, store: Store, make_store: MakeStore
    ) -> None:
        await store.commit([Append("s", (said("remember"),)), Enqueue("q", "k", b"item")])
        await store.close()
        after = make_store()
        await after.open()
        try:
            assert [record.body for record in await after.records("s")] == [
                UserSaid(text="remember")
            ]
            assert [item.item for item in await after.pending("q")] == [b"item"]
        finally:
            await after.close()

    # Heads and leases

    async def test_another_head_is_a_conflict(self, store: Store) -> None:
        await store.commit([Append("s", (said("one"),), after=0)])
        with pytest.raises(Conflict):
            await store.commit([Append("s", (said("two"),), after=0)])
        await store.commit([Append("s", (said("two"),), after=1)])
        await store.commit([Append("s", (said("three"),))])
        info = await store.session("s")
        assert info is not None
        assert (info.head, info.records) == (3, 3)

    async def test_a_second_process_sees_the_first_and_conflicts_with_it(
        self, store: Store, other: Store
    ) -> None:
        await store.commit([Append("s", (said("one"),))])
        assert len(await other.records("s")) == 1
        await other.commit([Append("s", (said("two"),), after=1)])
        with pytest.raises(Conflict):
            await store.commit([Append("s", (said("also two"),), after=1)])
        assert [record.seq for record in await store.records("s")] == [1, 2]

    async def test_two_processes_take_turns_without_a_gap(self, store: Store, other: Store) -> None:
        await asyncio.gather(
            *(s.commit([Append("s", (said("x"),))]) for _ in range(50) for s in (store, other))
        )
        assert [record.seq for record in await other.records("s")] == list(range(1, 101))

    async def test_a_lease_is_taken_renewed_and_given_back(
        self, store: Store, other: Store
    ) -> None:
        until = now() + HOUR
        await store.commit([Lease("scheduler", "a", until)])
        assert await other.lease("scheduler") == Lease("scheduler", "a", until)
        with pytest.raises(Conflict):
            await other.commit([Lease("scheduler", "b", until)])
        with pytest.raises(Conflict):
            await other.commit([Lease("scheduler", "b", 0)])
        await store.commit([Lease("scheduler", "a", until + 1)])
        await store.commit([Lease("scheduler", "a", 0)])
        assert await store.lease("scheduler") is None
        await other.commit([Lease("scheduler", "b", until)])

    async def test_a_lapsed_lease_is_free(self, store: Store) -> None:
        await store.commit([Lease("scheduler", "a", now() - 1)])
        assert await store.lease("scheduler") is None
        await store.commit([Lease("scheduler", "b", now() + HOUR)])

    async def test_who_lost_the_lease_cannot_append(self, store: Store, other: Store) -> None:
        await store.commit([Lease("session:s", "a", now() - 1)])
        await other.commit([Lease("session:s", "b", now() + HOUR)])
        with pytest.raises(Conflict):
            await store.commit([Append("s", (said("late"),), owner="a")])
        await other.commit([Append("s", (said("in time"),), owner="b")])
        assert len(await store.records("s")) == 1

    # What is known of conversations

    async def test_a_conversation_is_described(self, store: Store) -> None:
        await store.commit(
            [
                Describe("s", surface="cli", person="ann", directory="/home/ann"),
                Append("s", (said("hello"),)),
            ]
        )
        await store.commit([Describe("s", title="Greetings")])
        info = await store.session("s")
        assert info is not None
        assert (info.title, info.surface, info.person) == ("Greetings", "cli", "ann")
        assert (info.directory, info.records, info.open_turn) == ("/home/ann", 1, "t1")
        assert await store.session("nobody") is None

    async def test_a_title_names_one_conversation(self, store: Store) -> None:
        await store.commit([Describe("a", title="Plans"), Append("a", (said("x"),))])
        with pytest.raises(StoreError, match="Plans #2"):
            await store.commit([Describe("b", title="Plans")])
        await store.commit([Describe("a", title="Plans")])
        await store.commit([Describe("a", title="")])
        await store.commit([Describe("b", title="Plans")])

    async def test_a_turn_is_open_until_it_ended(self, store: Store) -> None:
        async def open_turn() -> str:
            info = await store.session("s")
            return info.open_turn if info else ""

        await store.commit([Append("s", (Record("", Opened(prompt="Be kind.")), said("hello")))])
        assert await open_turn() == "t1"
        await store.commit([Append("s", (Record("t1", Steered(text="quickly")), answered("hi")))])
        assert [info.id for info in await store.sessions(open_turns=True)] == ["s"]
        await store.commit([Append("s", (ended("another"),))])
        assert await open_turn() == "t1"
        await store.commit([Append("s", (ended(),))])
        assert await open_turn() == ""
        assert await store.sessions(open_turns=True) == []
        await store.commit([Append("s", (said("again", "t2"), ended("t2"), said("more", "t3")))])
        assert await open_turn() == "t3"

    async def test_conversations_are_listed_last_updated_first(self, store: Store) -> None:
        for n, id in enumerate(("a", "b", "c"), 1):
            person = "ann" if id == "b" else "bob"
            await store.commit(
                [
                    Describe(id, person=person, surface="cli" if id == "a" else "telegram"),
                    Append(id, (said("x", time=n * 1000),)),
                ]
            )
        await store.commit([Append("a", (said("y", time=9000),)), Describe("never begun")])
        assert [info.id for info in await store.sessions()] == ["a", "c", "b"]
        assert [info.id for info in await store.sessions(limit=2)] == ["a", "c"]
        assert [info.id for info in await store.sessions(before=3000)] == ["b"]
        assert [info.id for info in await store.sessions(person="bob")] == ["a", "c"]
        assert [info.id for info in await store.sessions(surface="telegram")] == ["c", "b"]

    async def test_children_are_listed_only_while_their_turn_is_open(self, store: Store) -> None:
        for id, relation in (("fork", "fork"), ("child", "child")):
            opened = Opened(prompt="", parent="p", relation=relation)  # type: ignore[arg-type]
            await store.commit([Append(id, (Record("", opened), said("x")))])
        assert [info.id for info in await store.sessions()] == ["fork"]
        assert {info.id for info in await store.sessions(open_turns=True)} == {"fork", "child"}
        info = await store.session("child")
        assert info is not None
        assert info.parent == "p"

    async def test_a_conversation_is_found_by_id_beginning_or_title(self, store: Store) -> None:
        for id, title, person in (
            ("0198-aa", "Greek", "ann"),
            ("0198-ab", "0198-aa", "ann"),
            ("0199", "%_*", "bob"),
        ):
            await store.commit([Describe(id, title=title, person=person), Append(id, (said("x"),))])

        async def found(text: str, person: str | None = None) -> set[str]:
            return {info.id for info in await store.find(text, person=person)}

        assert await found("0198-") == {"0198-aa", "0198-ab"}
        assert await found("Greek") == {"0198-aa"}
        assert await found("0198-aa") == {"0198-aa", "0198-ab"}
        assert await found("019", "bob") == {"0199"}
        assert await found("%_*") == {"0199"}
        assert await found("%") == await found("*") == await found("") == set()

    async def test_a_key_means_what_it_was_last_bound_to(self, store: Store) -> None:
        key = SessionKey("telegram", "7", account="bot", thread="2", person="ann")
        alike = SessionKey("telegram", "7", account="bot", thread="2:ann")
        await store.commit([Bind(key, "a")])
        await store.commit([Bind(key, "b"), Bind(alike, "c")])
        assert await store.bound(key) == "b"
        assert await store.bound(alike) == "c"
        assert await store.bound(SessionKey("cli", "7")) is None

    # Queues and state

    async def test_a_queue_gives_its_items_oldest_first(self, store: Store) -> None:
        await store.commit([Enqueue("q", f"k{n}", b"%d" % n) for n in (3, 1, 2)])
        await store.commit([Enqueue("another", "k1", b"x")])
        assert [(i.key, i.item) for i in await store.pending("q")] == [
            ("k3", b"3"),
            ("k1", b"1"),
            ("k2", b"2"),
        ]
        assert [item.key for item in await store.pending("q", limit=1)] == ["k3"]
        assert (await store.pending("q"))[0].time > 0

    async def test_an_item_is_taken_in_once_for_ever(self, store: Store, other: Store) -> None:
        await store.commit([Enqueue("q", "k", b"first")])
        await other.commit([Enqueue("q", "k", b"again")])
        assert [item.item for item in await store.pending("q")] == [b"first"]
        await store.commit([Settle("q", "k", "answered")])
        await other.commit([Enqueue("q", "k", b"and again")])
        assert await store.pending("q") == []

    async def test_an_item_has_one_end(self, store: Store) -> None:
        await store.commit([Enqueue("q", "k", b"v")])
        await store.commit([Settle("q", "k", "", b"changed")])
        assert [item.item for item in await store.pending("q")] == [b"changed"]
        await store.commit([Settle("q", "k", "answered")])
        await store.commit([Settle("q", "k", "answered")])
        with pytest.raises(Conflict):
            await store.commit([Settle("q", "k", "refused")])
        with pytest.raises(StoreError):
            await store.commit([Settle("q", "never there", "answered")])

    async def test_state_is_kept_by_whose_it_is(self, store: Store) -> None:
        await store.commit(
            [
                SetState("process", "", "n", b"1"),
                SetState("session", "s", "n", b"2"),
                SetState("person", "s", "n", b"3"),
            ]
        )
        assert await store.state("process", "", "n") == b"1"
        assert await store.state("session", "s", "n") == b"2"
        assert await store.state("person", "s", "n") == b"3"
        await store.commit([SetState("session", "s", "n", b""), SetState("process", "", "n", None)])
        assert await store.state("session", "s", "n") == b""
        assert await store.state("process", "", "n") is None

    async def test_state_expires(self, store: Store) -> None:
        await store.commit([SetState("process", "", "gone", b"1", until=now() - 1)])
        await store.commit([SetState("process", "", "kept", b"1", until=now() + HOUR)])
        assert await store.state("process", "", "gone") is None
        assert await store.state("process", "", "kept") == b"1"

    # Forgetting

    async def test_forgetting_leaves_numbers_and_tombstones(self, store: Store) -> None:
        key = SessionKey("cli", "here")
        await store.commit(
            [
                Describe("s", title="Secret plans"),
                Append("s", (said("the canary sings"), answered("indeed"))),
                Append("kept", (said("the canary stays"),)),
                SetState("session", "s", "n", b"canary"),
                Bind(key, "s"),
            ]
        )
        assert await store.erase(["s", "nobody"], "asked to") == 2
        records = await store.records("s")
        assert [(record.seq, record.body) for record in records] == [
            (1, Erased(why="asked to")),
            (2, Erased(why="asked to")),
        ]
        assert await store.session("s") is None
        assert await store.find("s") == await store.find("Secret plans") == []
        assert [info.id for info in await store.sessions()] == ["kept"]
        assert await store.state("session", "s", "n") is None
        assert await store.bound(key) is None
        assert await store.erase(["s"], "again") == 0
        assert len(await store.records("kept")) == 1
        with pytest.raises(StoreError):
            await store.commit([Append("s", (said("still there?"),))])
        if self.searches:
            assert [hit.session for hit in await store.search("canary")] == ["kept"]

    async def test_a_held_conversation_is_not_forgotten(self, store: Store) -> None:
        await store.commit(
            [
                Append("free", (said("x"),)),
                Append("held", (said("x"),)),
                Lease("session:held", "a", now() + HOUR),
            ]
        )
        with pytest.raises(Conflict):
            await store.erase(["free", "held"], "asked to")
        assert (await store.records("free"))[0].body == UserSaid(text="x")
        await store.commit([Lease("session:held", "a", 0)])
        assert await store.erase(["free", "held"], "asked to") == 2

    async def test_forgetting_a_text_takes_the_turns_that_hold_it_and_no_others(
        self, store: Store
    ) -> None:
        arguments = json.dumps({"to": "Anna Müller"})  # as a model writes it: escaped
        uses = Answer(parts=(ToolUse("1", "mail", arguments),), model="m")
        await store.commit(
            [
                Describe("s", title="On anna  müller", person="ann"),
                Append(
                    "s",
                    (
                        Record("", Opened(prompt="She is called Anna Müller.")),
                        Record("t1", UserSaid(text="Who is ANNA\nMÜLLER?")),
                        Record("t1", answered("A neighbour.").body),
                        Record("t2", UserSaid(text="Write to her")),
                        Record("t2", uses),
                        Record("t3", UserSaid(text="Anna Muller is another; so is Anna")),
                    ),
                ),
                SetState("session", "s", "n", b'["Anna M\\u00fcller"]'),
                SetState("session", "s", "m", b'"Anna"'),
                SetState("person", "ann", "p", b'"anna m\xc3\xbcller"'),
                SetState("process", "", "q", b'"Anna M\xc3\xbcller"'),
                Describe("bob", person="bob"),
                Append("bob", (said("Anna Müller is my neighbour"),)),
                Append("other", (said("nothing of it"),)),
            ]
        )
        assert await store.erase_text("Anna Müller", "asked to", person="ann") == ["s"]
        tombstone = Erased(why="asked to")
        bodies = [record.body for record in await store.records("s")]
        last = UserSaid(text="Anna Muller is another; so is Anna")
        assert bodies == [tombstone] * 5 + [last, tombstone]
        info = await store.session("s")
        assert info is not None
        assert (info.title, info.head, info.records) == ("", 7, 7)
        assert await store.state("session", "s", "n") is None
        assert await store.state("person", "ann", "p") is None
        assert await store.state("session", "s", "m") is not None
        assert await store.state("process", "", "q") is not None, "it is nobody's"
        if self.searches:
            assert [hit.session for hit in await store.search("neighbour")] == ["bob"]
        await store.commit([Append("s", (said("We go on"),), after=7)])

        assert await store.erase_text("Anna Müller", "asked to", person="ann") == []
        assert await store.erase_text("Anna Müller", "asked to") == ["bob"]
        assert await store.state("process", "", "q") is None
        assert await store.erase_text(" ", "asked to") == []
        assert await store.check() == []

    async def test_a_text_of_a_held_conversation_is_not_forgotten(self, store: Store) -> None:
        await store.commit(
            [
                Append("free", (said("canary"),)),
                Append("held", (said("canary"),)),
                Append("apart", (said("sparrow"),)),
                Lease("session:held", "a", now() + HOUR),
                Lease("session:apart", "a", now() + HOUR),
            ]
        )
        with pytest.raises(Conflict):
            await store.erase_text("canary", "asked to")
        assert (await store.records("free"))[0].body == UserSaid(text="canary")
        await store.commit([Lease("session:held", "a", 0)])
        assert sorted(await store.erase_text("canary", "asked to")) == ["free", "held"]

    # Searching, counting, checking

    async def searched(self, store: Store, query: str, **narrowed: object) -> list[tuple[str, int]]:
        """Search, and give (session, seq) of each hit."""
        if not self.searches:
            with pytest.raises(NotImplementedError):
                await store.search(query)
            pytest.skip("this store does not search")
        hits = await store.search(query, **narrowed)  # type: ignore[arg-type]
        return [(hit.session, hit.seq) for hit in hits]

    async def test_a_search_finds_what_was_said_and_by_whom(self, store: Store) -> None:
        tool = Record("t1", Finished(id="1", tool="read_file", text="zebra in a file"))
        await store.commit(
            [
                Describe("a", person="ann", title="Animals"),
                Append("a", (said("a Zebra crossed", time=1000), answered("zebras do"), tool)),
                Describe("b", person="bob"),
                Append("b", (said("my zebra", time=3000),)),
            ]
        )
        assert set(await self.searched(store, "zebra")) == {("a", 1), ("b", 1)}
        assert await self.searched(store, "zebra", person="ann") == [("a", 1)]
        assert await self.searched(store, "zebra", session="b") == [("b", 1)]
        assert await self.searched(store, "zebra", roles=("tool",)) == [("a", 3)]
        assert await self.searched(store, "zebra", before=2000) == [("a", 1)]
        assert len(await self.searched(store, "zebra", limit=1)) == 1
        (hit,) = await store.search("crossed zebra")
        assert (hit.session, hit.seq, hit.role, hit.title) == ("a", 1, "user", "Animals")
        assert "Zebra" in hit.snippet
        assert hit.time == 1000

    @pytest.mark.parametrize(
        ("text", "query"),
        [
            ("今天天气很好,我们去公园吧", "天气"),
            ("今天天气很好,我们去公园吧", "园"),
            ("東京タワーに行きました", "タワー"),
            ("한국어로 말합니다", "말합"),
            ("Grüße aus Köln", "köln"),
            ("the well-known file a.b_c.py", "well-known"),
            ("the well-known file a.b_c.py", "a.b_c.py"),
            ('he said "never again" twice', '"never again'),
        ],
    )
    async def test_a_search_knows_many_scripts(self, store: Store, text: str, query: str) -> None:
        await store.commit([Append("s", (said(text), said("something else")))])
        assert await self.searched(store, query) == [("s", 1)]

    @pytest.mark.parametrize(
        "query",
        [
            "",
            " ",
            '"',
            "*",
            "a AND",
            "NEAR(",
            "text:",
            "(((",
            "NOT",
            "a -b ^c",
            "';--",
            "\0x\0",
            "😀",
        ],
    )
    async def test_no_query_is_an_error(self, store: Store, query: str) -> None:
        await store.commit([Append("s", (said("a b c"),))])
        assert isinstance(await self.searched(store, query), list)

    async def test_what_there_is_is_counted(self, store: Store) -> None:
        before = await store.stats()
        await store.commit([Append("a", (said("x"), said("y"))), Append("b", (said("z"),))])
        after = await store.stats()
        assert (after.sessions, after.records) == (2, 3)
        assert after.commits == before.commits + 1
        assert after.version >= 1
        assert after.size > 0

    async def test_nothing_is_damaged(self, store: Store) -> None:
        bodies: tuple[Body, ...] = (UserSaid(text="hello"), UserSaid(text=""), UserSaid(text="你"))
        await store.commit([Append("s", tuple(Record("t", body) for body in bodies))])
        await store.erase(["s"], "asked to")
        assert await store.check() == []
