"""The fold: total, monotone, and it repairs what histories contain (architecture §7)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from hypothesis import given, strategies as st

from hermes.messages import Message, Text, ToolOutput, ToolUse
from hermes.records import (
    Answer,
    Body,
    Compacted,
    Ended,
    Erased,
    Finished,
    Note,
    Opened,
    Record,
    Reprompted,
    Resumed,
    Rewound,
    Started,
    Steered,
    Unknown,
    UserSaid,
    decode,
    encode,
)
from hermes.store import Change
from hermes.testing.store import MemoryStore
from hermes.transcript import LOST, Fold, Transcript, fold, turn_starts

ids = st.sampled_from(["a", "b", "c", ""])
texts = st.text(alphabet=st.characters(), max_size=20) | st.sampled_from(["\ud83d", "\0", "漢字"])
uses = st.builds(ToolUse, ids, st.sampled_from(["look", "act"]), st.sampled_from(["{}", "{oops"]))
adding: st.SearchStrategy[Body] = st.one_of(
    st.builds(UserSaid, text=texts, context=texts),
    st.builds(Steered, text=texts),
    st.builds(
        Answer,
        parts=st.lists(st.builds(Text, texts) | uses, max_size=4).map(tuple),
        model=st.just("p:m"),
    ),
    st.builds(Finished, id=ids, tool=st.just("look"), text=texts),
    st.builds(Started, id=ids, tool=st.just("act"), effect=st.just("once")),
    st.builds(Resumed, attempt=st.just(1)),
    st.just(Ended(status="ok")),
    st.just(Erased()),
    st.builds(Note, plugin=st.just("x"), name=st.just("n"), data=st.just("{}")),
    st.just(Unknown(of="later", of_version=3, payload=b"{}")),
)
changing: st.SearchStrategy[Body] = st.one_of(
    st.builds(
        Compacted, upto=st.integers(0, 40), messages=st.just((Message("user", (Text("s"),)),))
    ),
    st.builds(Rewound, to=st.integers(-3, 40)),
    st.builds(Reprompted, prompt=texts, reason=st.just("x")),
    st.builds(Opened, prompt=texts),
)


def numbered(bodies: list[Body]) -> list[Record]:
    return [Record("t" if i % 3 else "u", body, i + 1, i) for i, body in enumerate(bodies)]


def assert_paired(messages: tuple[Message, ...]) -> None:
    """What OpenAI and Anthropic demand: outputs right after their uses, each once."""
    for place, message in enumerate(messages):
        if message.tool_uses:
            outputs = messages[place + 1].parts
            assert messages[place + 1].role == "tool"
            assert [use.id for use in message.tool_uses] == [
                part.id for part in outputs if isinstance(part, ToolOutput)
            ]
            assert len({use.id for use in message.tool_uses}) == len(message.tool_uses)
        if message.role == "tool":
            assert messages[place - 1].tool_uses


@given(st.lists(adding | changing, max_size=30))
def test_any_history_folds_to_what_a_vendor_accepts(bodies: list[Body]) -> None:
    folded = fold(numbered(bodies))
    assert_paired(folded.messages)
    msgspec.json.encode(folded.messages)  # valid UTF-8 throughout
    assert folded.head == len(bodies)


@given(st.lists(adding, max_size=30))
def test_a_record_only_adds_messages_at_the_end(bodies: list[Body]) -> None:
    folded = Fold()
    before: tuple[Message, ...] = ()
    for record in numbered(bodies):
        folded.add(record)
        after = folded.messages
        assert after[: len(before)] == before
        before = after


@given(st.lists(adding | changing, max_size=30), st.integers(0, 30))
def test_folding_in_two_steps_is_folding_at_once(bodies: list[Body], cut: int) -> None:
    """A process that folds the tail another process wrote sees what a fresh one sees."""
    records = numbered(bodies)
    steps = fold(records[:cut])
    for record in records[cut:]:
        steps.add(record)
    if not steps.stale:  # a stale fold says that it must be made anew, and is
        assert steps.messages == fold(records).messages


@given(adding | changing)
def test_a_body_survives_the_store(body: Body) -> None:
    try:
        kept = encode(body)
    except UnicodeEncodeError:
        return  # whoever takes text in cleans it
    assert decode(*kept) == body


def test_a_call_without_a_result_is_answered_when_the_turn_ends() -> None:
    folded = fold(
        numbered(
            [
                UserSaid(text="go"),
                Answer(parts=(ToolUse("1", "look", "{}"), ToolUse("2", "act", "{}")), model="p:m"),
                Finished(id="2", tool="act", text="done"),
                UserSaid(text="and?"),
            ]
        )
    )
    roles = [message.role for message in folded.messages]
    assert roles == ["user", "assistant", "tool", "user"]
    outputs = folded.messages[2].parts
    assert [part.text for part in outputs if isinstance(part, ToolOutput)] == [LOST, "done"]


def test_results_stand_in_the_models_order_whatever_finished_first() -> None:
    folded = fold(
        numbered(
            [
                Answer(parts=(ToolUse("1", "look", "{}"), ToolUse("2", "look", "{}")), model="p:m"),
                Finished(id="2", tool="look", text="second"),
                Finished(id="1", tool="look", text="first"),
            ]
        )
    )
    outputs = folded.messages[1].parts
    assert [part.text for part in outputs if isinstance(part, ToolOutput)] == ["first", "second"]


def test_a_rewind_behind_a_compaction_brings_back_what_was_said() -> None:
    said: list[Body] = [UserSaid(text="one"), UserSaid(text="two")]
    compacted = Compacted(upto=2, messages=(Message("user", (Text("summary"),)),))
    folded = fold(numbered([*said, compacted, Rewound(to=1)]))
    assert [message.text for message in folded.messages] == ["one"]


def test_undo_finds_the_messages_that_started_turns() -> None:
    folded = fold(numbered([UserSaid(text="one"), Steered(text="more"), UserSaid(text="two")]))
    assert [entry.message.text for entry in turn_starts(folded)] == ["one", "two"]


def test_an_interrupted_turn_is_known_with_what_it_did() -> None:
    bodies: list[Body] = [
        UserSaid(text="go"),
        Answer(parts=(ToolUse("1", "act", "{}"),), model="p:m"),
        Started(id="1", tool="act", effect="once"),
    ]
    folded = fold([Record("t", body, i + 1) for i, body in enumerate(bodies)])
    assert folded.turn is not None
    assert folded.turn.said.text == "go"
    assert set(folded.turn.started) == {"1"}
    folded.add(Record("t", Ended(status="ok"), 4))
    assert folded.turn is None


class Slow(MemoryStore):
    """Tells that a commit is durable before it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.durable, self.go = asyncio.Event(), asyncio.Event()

    async def commit(self, changes: Sequence[Change]) -> None:
        await super().commit(changes)
        self.durable.set()
        await self.go.wait()


async def test_looking_at_a_conversation_while_it_commits_folds_no_record_twice() -> None:
    store = Slow()
    transcript = Transcript(store, "s")
    transcript.note(UserSaid(text="hello"), "t")
    committing = asyncio.ensure_future(transcript.commit())
    await store.durable.wait()
    looking = asyncio.ensure_future(transcript.refresh())
    await asyncio.sleep(0)
    store.go.set()
    await asyncio.gather(committing, looking)
    assert [message.text for message in transcript.fold.messages] == ["hello"]
    assert transcript.fold.head == 1
