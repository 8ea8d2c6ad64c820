"""The scripted provider keeps the contract, and checks what it gets."""

from __future__ import annotations

import pytest

from hermes import Failed, Failure, Message, Provider, ToolOutput, ToolUse, user
from hermes.testing.answers import Fail, Say, parse_script
from hermes.testing.contracts.provider import ProviderContract
from hermes.testing.make import make_request
from hermes.testing.provider import ScriptedProvider


class TestScriptedProvider(ProviderContract):
    @pytest.fixture
    def provider(self) -> Provider:
        self.scripted = ScriptedProvider()
        return self.scripted

    def will(self, *answers: Say | Fail) -> None:
        self.scripted.will(*answers)

    def asked(self) -> int:
        return len(self.scripted.requests)


async def test_an_answer_can_be_made_from_the_request() -> None:
    async def answer(request) -> str:
        return f"{len(request.spec.messages)} messages"

    provider = ScriptedProvider(answer)
    assert (await provider.stream(make_request())).text == "1 messages"


async def test_a_script_that_is_through_fails_and_says_so() -> None:
    with pytest.raises(Failed, match="no answer left"):
        await ScriptedProvider().stream(make_request())


async def test_a_given_failure_is_raised_as_it_is() -> None:
    failure = Failure("quota", "pay first", "bank", 402)
    with pytest.raises(Failed) as caught:
        await ScriptedProvider(failure).stream(make_request())
    assert caught.value.failure is failure


USE = Message("assistant", (ToolUse("a", "f", "{}"),))
OUTPUT = Message("tool", (ToolOutput("a", "f", "x"),))


@pytest.mark.parametrize(
    "messages",
    [
        (user("x"), USE),
        (user("x"), USE, user("y"), OUTPUT),
        (user("x"), OUTPUT),
        (user("x"), USE, OUTPUT, OUTPUT),
        (user("x"), Message("assistant", (*USE.parts, *USE.parts)), OUTPUT),
    ],
    ids=["unanswered", "answered late", "orphan", "answered twice", "id used twice"],
)
async def test_what_a_vendor_refuses_is_refused(messages) -> None:
    with pytest.raises(Failed) as caught:
        await ScriptedProvider("never").stream(make_request(messages=messages))
    assert caught.value.failure.kind == "bad_request"


def test_a_script_is_read_from_lines_of_json() -> None:
    lines = ['{"text": "Hi"}', "", '{"kind": "rate_limit", "retry_after": 2}']
    assert list(parse_script(lines)) == [Say("Hi"), Fail("rate_limit", retry_after=2)]


def test_the_pieces_of_an_answer_join_to_its_text() -> None:
    for text in ("", "one", " a  b\n\nc ", "\n", "  x"):
        assert "".join(Say(text).pieces) == text
