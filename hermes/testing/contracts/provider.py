"""What every model provider must do."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hermes.errors import RETRYABLE, Failed, FailureKind
from hermes.events import Event, TextChunk, ThinkingChunk
from hermes.messages import Image, Message, Text, Thinking, ToolOutput, ToolSpec, ToolUse, user
from hermes.provider import ModelInfo, ModelRequest, ModelResponse, ModelSpec, Provider
from hermes.testing.answers import Call, Fail, Say

ODD = (
    'naïve \u0416 日本 \U0001f642 \u202e\u200d\ufeff \\ " \b\x7f </s> <|im_end|> data: \r\n\r\n x\t'
)
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9Q"
    "DwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WEATHER = ToolSpec(
    "weather",
    "Tell the weather of a city.",
    '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}',
)
KINDS: tuple[FailureKind, ...] = (
    "auth",
    "quota",
    "bad_request",
    "context_overflow",
    "content_filter",
    "rate_limit",
    "timeout",
    "transient",
)


class Heard(list[Event]):
    """A listener."""

    def __init__(self) -> None:
        self._something = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.append(event)
        self._something.set()

    async def first(self) -> None:
        """Wait until there is something. Raises TimeoutError."""
        await asyncio.wait_for(self._something.wait(), 10)

    @property
    def text(self) -> str:
        return "".join(event.text for event in self if isinstance(event, TextChunk))

    @property
    def thought(self) -> str:
        return "".join(event.text for event in self if isinstance(event, ThinkingChunk))


class ProviderContract:
    """Subclass it, and give the provider and its scripted vendor.

    The vendor is the other side: an HTTP server, or the provider itself where there is no wire
    (`ScriptedProvider`). It answers what `will` told it, and counts what it was asked.
    """

    model = "scripted:test"
    """``provider:name`` to ask for."""

    @pytest.fixture
    @abstractmethod
    def provider(self) -> Provider:
        """Make the provider, not opened."""
        raise NotImplementedError

    @abstractmethod
    def will(self, *answers: Say | Fail) -> None:
        """Let the vendor answer so next. Skip the test (`pytest.skip`) for what it cannot say."""
        raise NotImplementedError

    @abstractmethod
    def asked(self) -> int:
        """Say how many calls reached the vendor."""
        raise NotImplementedError

    @pytest.fixture
    async def opened(self, provider: Provider) -> AsyncIterator[Provider]:
        """Open the provider for the test and close it after."""
        await provider.open()
        yield provider
        await provider.close()

    def request(self, *messages: Message, heard: Heard | None = None, **spec: Any) -> ModelRequest:
        """Make a request of *messages*."""
        given = messages or (user("Hello"),)
        emit = Heard() if heard is None else heard
        return ModelRequest(ModelSpec(self.model, "You are a test.", given, **spec), emit)

    async def test_chunks_join_to_the_text(self, opened: Provider) -> None:
        self.will(Say(chunks=("One", " two", "  three.\n")))
        heard = Heard()
        response = await opened.stream(self.request(heard=heard))
        assert response.text == heard.text == "One two  three.\n"
        assert len(heard) >= 2, "the answer came in one piece"
        assert response.stop == "end"
        assert not response.fallback

    async def test_the_model_comes_back_as_it_was_asked_for(self, opened: Provider) -> None:
        self.will(Say("Yes."))
        assert (await opened.stream(self.request())).model == self.model

    async def test_reasoning_is_thinking_and_never_text(self, opened: Provider) -> None:
        self.will(Say("4", thinking="Two and two."))
        heard = Heard()
        response = await opened.stream(self.request(heard=heard))
        assert response.text == heard.text == "4"
        thoughts = [part.text for part in response.parts if isinstance(part, Thinking)]
        assert thoughts == [heard.thought] == ["Two and two."]

    async def test_tools_go_round(self, opened: Provider) -> None:
        arguments = '{ "city":"Köln",  "n": 1.0}'
        calls = (Call("weather", arguments), Call("weather", '{"city": "Bonn"}'))
        self.will(Say("Let me look.", calls=calls), Say("Rain, sun."))
        asked = user("Weather?")
        response = await opened.stream(self.request(asked, tools=(WEATHER,)))
        assert response.stop == "tools"
        assert response.text == "Let me look."
        assert [use.name for use in response.tool_uses] == ["weather", "weather"]
        assert response.tool_uses[0].arguments == arguments, "arguments are the model's own bytes"
        ids = [use.id for use in response.tool_uses]
        assert all(ids), "every call has an id"
        assert len(set(ids)) == 2, "and one of its own"
        outputs = Message("tool", tuple(ToolOutput(id, "weather", "rain") for id in ids))
        answer = Message("assistant", response.parts)
        final = await opened.stream(self.request(asked, answer, outputs, tools=(WEATHER,)))
        assert final.text == "Rain, sun."
        assert final.stop == "end"

    async def test_arguments_that_do_not_parse_survive(self, opened: Provider) -> None:
        broken = '{"city": "Kö'
        self.will(Say(calls=(Call("weather", broken),)), Say("Sorry."))
        response = await opened.stream(self.request(tools=(WEATHER,)))
        (use,) = response.tool_uses
        assert use.arguments == broken
        output = ToolOutput(use.id, "weather", "Invalid arguments", is_error=True)
        told = (user("?"), Message("assistant", (use,)), Message("tool", (output,)))
        assert (await opened.stream(self.request(*told))).text == "Sorry."

    async def test_odd_text_survives_both_ways(self, opened: Provider) -> None:
        self.will(Say(chunks=(ODD[:5], ODD[5:])))
        response = await opened.stream(self.request(user(ODD)))
        assert response.text == ODD

    async def test_lone_surrogates_poison_nothing(self, opened: Provider) -> None:
        # The kernel sends none; a provider that meets one cleans it or refuses it, and goes on.
        self.will(Say("Fine."), Say("Fine."))
        output = ToolOutput("call_1", "weather", "bad \ud800 byte")
        told = (
            user("Weather?"),
            Message("assistant", (ToolUse("call_1", "weather", "{}"),)),
            Message("tool", (output,)),
        )
        (done,) = await asyncio.gather(opened.stream(self.request(*told)), return_exceptions=True)
        if isinstance(done, BaseException):
            assert isinstance(done, Failed)
            assert done.failure.kind == "bad_request"
        assert (await opened.stream(self.request())).text == "Fine."

    async def test_pictures_are_taken(self, opened: Provider) -> None:
        self.will(Say("A pixel."))
        image = Image("image/png", PIXEL)
        told = (
            Message("user", (Text("What is it?"), image)),
            Message("assistant", (ToolUse("call_1", "weather", "{}"),)),
            Message("tool", (ToolOutput("call_1", "weather", "see", images=(image,)),)),
        )
        assert (await opened.stream(self.request(*told))).text == "A pixel."

    async def test_usage_is_reported(self, opened: Provider) -> None:
        self.will(Say("Counted, all of it."))
        usage = (await opened.stream(self.request())).usage
        assert usage.calls == 1
        assert usage.input > 0
        assert usage.output > 0

    async def test_an_answer_out_of_room_says_so(self, opened: Provider) -> None:
        self.will(Say("It was the best of", stop="length"))
        assert (await opened.stream(self.request(max_output=5))).stop == "length"

    @pytest.mark.parametrize("kind", KINDS)
    async def test_failures_have_their_kind_and_are_not_retried(
        self, opened: Provider, kind: FailureKind
    ) -> None:
        self.will(Fail(kind), Say("never asked for"))
        with pytest.raises(Failed) as caught:
            await opened.stream(self.request())
        failure = caught.value.failure
        assert failure.kind == kind
        assert failure.retryable == (kind in RETRYABLE)
        assert failure.source
        assert "\n" not in failure.message.strip()
        assert self.asked() == 1, "retrying is not the provider's job"

    async def test_the_wait_that_a_vendor_asks_for_is_told(self, opened: Provider) -> None:
        self.will(Fail("rate_limit", retry_after=7))
        with pytest.raises(Failed) as caught:
            await opened.stream(self.request())
        assert caught.value.failure.retry_after == pytest.approx(7)

    async def test_an_answer_that_was_cut_is_a_transient_failure(self, opened: Provider) -> None:
        self.will(Say(chunks=("Half an", " answer"), cut=True))
        heard = Heard()
        with pytest.raises(Failed) as caught:
            await opened.stream(self.request(heard=heard))
        assert caught.value.failure.kind == "transient"

    async def test_a_cancelled_call_stops_within_a_second(self, opened: Provider) -> None:
        self.will(Say("word " * 10, hold=asyncio.Event(), hold_after=2), Say("Next."))
        heard = Heard()
        call = asyncio.ensure_future(opened.stream(self.request(heard=heard)))
        await heard.first()
        began = asyncio.get_running_loop().time()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert asyncio.get_running_loop().time() - began < 1.0
        assert (await opened.stream(self.request())).text == "Next.", "and another can be made"

    async def test_calls_run_side_by_side(self, opened: Provider) -> None:
        gate, heard = asyncio.Event(), Heard()
        self.will(Say(chunks=("fir", "st"), hold=gate, hold_after=1), Say("second"))
        first = asyncio.ensure_future(opened.stream(self.request(heard=heard)))
        await heard.first()
        second: ModelResponse = await asyncio.wait_for(opened.stream(self.request()), 10)
        gate.set()
        assert {(await first).text, second.text} == {"first", "second"}

    async def test_a_model_is_described_without_guessing(self, provider: Provider) -> None:
        info = await provider.info("test")
        assert isinstance(info, ModelInfo)
        assert info.name == "test"
        assert info.window is None or info.window > 0
