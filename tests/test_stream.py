"""Events to listeners: never waiting, merged, bounded."""

from __future__ import annotations

from hermes.events import StreamRestarted, TextChunk, TurnFinished
from hermes.stream import LAG, Listener


async def heard(listener: Listener) -> list[object]:
    return [event async for event in listener]


async def test_adjacent_chunks_of_one_attempt_merge() -> None:
    listener = Listener()
    for event in (
        TextChunk("a"),
        TextChunk("b"),
        StreamRestarted(0, 1),
        TextChunk("c", attempt=1),
        TextChunk("d", attempt=1),
        TurnFinished("ok", "cd"),
    ):
        listener.push(event)
    assert await heard(listener) == [
        TextChunk("ab"),
        StreamRestarted(0, 1),
        TextChunk("cd", attempt=1),
        TurnFinished("ok", "cd"),
    ]


async def test_a_listener_that_falls_behind_still_gets_the_whole_reply() -> None:
    listener = Listener()
    text = "x" * 100_000
    for _ in range(50):
        listener.push(TextChunk(text))
    listener.push(TurnFinished("ok", text * 50))
    *chunks, end = await heard(listener)
    assert sum(len(chunk.text) for chunk in chunks if isinstance(chunk, TextChunk)) <= LAG
    assert isinstance(end, TurnFinished) and len(end.reply) == 5_000_000


async def test_a_closed_listener_ends_after_what_is_queued() -> None:
    listener = Listener()
    listener.push(TextChunk("a"))
    listener.close()
    listener.push(TextChunk("late"))
    assert await heard(listener) == [TextChunk("a")]
