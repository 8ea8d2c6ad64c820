"""Responses with the official client, unmodified."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from hermes.messages import Usage
from hermes.testing import MemoryState, MemoryStore
from hermes.testing.answers import Call, Fail, Say
from hermes.tools import READ, TOGETHER, tool

MODEL = "hermes-agent"


@tool(effect=READ, needs=set(), lane=TOGETHER)
async def look(at: str) -> str:
    """Look at something."""
    return f"saw {at}"


async def test_a_response_is_made_read_again_and_deleted(serve: Any) -> None:
    script = (
        Say("I look.", calls=(Call("look", '{"at":"it"}', id="c1"),)),
        Say("Seen.", usage=Usage(7, 3, calls=1)),
    )
    async with serve(*script, tools=[look]) as api:
        made = await api.client.responses.create(
            model=MODEL, input="Look", instructions="Be brief.", metadata={"a": "b"}
        )
        assert made.status == "completed"
        assert made.output_text == "I look.Seen."
        kinds = ["message", "function_call", "function_call_output", "message"]
        assert [item.type for item in made.output] == kinds
        assert made.usage.output_tokens >= 3
        again = await api.client.responses.retrieve(made.id)
        assert [item.type for item in again.output] == kinds
        assert (again.output_text, again.metadata, again.instructions) == (
            made.output_text,
            {"a": "b"},
            "Be brief.",
        )
        await api.client.responses.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            await api.client.responses.retrieve(made.id)


async def test_a_response_follows_another_and_may_branch(serve: Any) -> None:
    async with serve("one", "two", "other", "on") as api:
        create = api.client.responses.create
        first = await create(model=MODEL, input="first")
        second = await create(model=MODEL, input="second", previous_response_id=first.id)
        assert [m.text for m in api.provider.requests[1].messages] == ["first", "one", "second"]
        branch = await create(model=MODEL, input="else", previous_response_id=first.id)
        (message,) = api.provider.requests[2].messages
        assert "user: first\nassistant: one\n" in message.text
        assert "two" not in message.text
        await create(model=MODEL, input="on", previous_response_id=branch.id)
        assert len(api.provider.requests[3].messages) == 3
        assert second.previous_response_id == first.id
        assert len(await api.runtime.store.sessions()) == 2


async def test_a_response_outlives_the_server(serve: Any) -> None:
    store, state = MemoryStore(), MemoryState()
    async with serve("one", store=store, state=state) as api:
        first = await api.client.responses.create(model=MODEL, input="first")
    async with serve("two", store=store, state=state) as api:
        assert (await api.client.responses.retrieve(first.id)).output_text == "one"
        await api.client.responses.create(
            model=MODEL, input="second", previous_response_id=first.id
        )
        assert [m.text for m in api.provider.requests[0].messages] == ["first", "one", "second"]


async def test_a_response_that_is_not_stored_cannot_be_read(serve: Any) -> None:
    async with serve("one", "two") as api:
        made = await api.client.responses.create(model=MODEL, input="first", store=False)
        with pytest.raises(openai.NotFoundError):
            await api.client.responses.retrieve(made.id)
        items: Any = [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "one"}]},
            {"role": "user", "content": [{"type": "input_text", "text": "second"}]},
        ]
        await api.client.responses.create(model=MODEL, input=items, store=False)
        assert [m.text for m in api.provider.requests[1].messages] == ["first", "one", "second"]


async def test_named_conversations_go_on(serve: Any) -> None:
    async with serve("one", "two") as api:
        for text in ("first", "second"):
            await api.client.responses.create(model=MODEL, input=text, conversation="project")
        assert [m.text for m in api.provider.requests[1].messages] == ["first", "one", "second"]


async def test_a_response_streams_in_openai_s_events(serve: Any) -> None:
    script = (Say("I look.", calls=(Call("look", '{"at":"it"}'),)), Say(chunks=("Se", "en.")))
    async with (
        serve(*script, tools=[look]) as api,
        api.client.responses.stream(model=MODEL, input="Look") as stream,
    ):
        events = [event async for event in stream]
        final = await stream.get_final_response()
    kinds = [event.type for event in events]
    assert kinds[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert kinds[-1] == "response.completed"
    assert [e.sequence_number for e in events] == list(range(len(events)))
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert "".join(deltas) == final.output_text == "I look.Seen."


async def test_a_failed_response_says_so(serve: Any) -> None:
    async with serve(Fail("bad_request", "no such model"), Fail("transient", "down")) as api:
        with pytest.raises(openai.BadRequestError, match="no such model"):
            await api.client.responses.create(model=MODEL, input="Hi")
        stream = await api.client.responses.create(model=MODEL, input="Hi", stream=True)
        events = [event async for event in stream]
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.message == "down"


@pytest.mark.parametrize("previous", ["resp_x", "x", f"resp_{'0' * 56}"])
async def test_an_unknown_response_cannot_be_followed(serve: Any, previous: str) -> None:
    async with serve("never") as api:
        with pytest.raises(openai.NotFoundError) as raised:
            await api.client.responses.create(
                model=MODEL, input="Hi", previous_response_id=previous
            )
        assert raised.value.param == "previous_response_id"
