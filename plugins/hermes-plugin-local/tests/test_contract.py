"""The contracts: of a plugin, of its command, and of a provider over a scripted library.

What the model says cannot be scripted, so the library is: `Script` answers in the very chunks that
xllamacpp gives (`test_provider` runs the real one).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from hermes import Failed, ModelResponse, Provider
from hermes.testing.answers import Fail, Say
from hermes.testing.contracts.plugin import PluginContract
from hermes.testing.contracts.provider import KINDS, ProviderContract
from hermes_plugin_local.loaded import EngineError, Heard, Loaded
from hermes_plugin_local.models import LocalModel

TYPES = {
    "bad_request": (400, "invalid_request_error"),
    "context_overflow": (400, "exceed_context_size_error"),
    "transient": (503, "unavailable_error"),
}
ROLES = {"system", "user", "assistant", "tool"}


class Script(Loaded):
    """The library, with answers given."""

    def __init__(self) -> None:
        self.answers: deque[Say | Fail] = deque()
        self.asked: list[dict[str, Any]] = []
        self.loop = asyncio.get_running_loop()
        self.ended = threading.Event()

    def run(self, body: dict[str, Any], heard: Heard) -> None:
        body = json.loads(self.checked(body))
        self.asked.append(body)
        answer = self.answers.popleft()
        if isinstance(answer, Fail):
            code, kind = TYPES[answer.kind]
            heard({"error": {"code": code, "message": f"scripted {answer.kind}", "type": kind}})
            return
        for chunk in self.chunks(answer, len(str(body))):
            if heard(chunk):
                return

    def checked(self, body: dict[str, Any]) -> str:
        """Refuse what the library refuses, with its errors."""
        text = json.dumps(body, ensure_ascii=False)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise EngineError("[json.exception.parse_error.101] invalid string") from None
        for message in body["messages"]:
            assert message["role"] in ROLES
            if not isinstance(message["content"], str):
                raise EngineError("image input is not supported")
            for call in message.get("tool_calls", ()):
                json.loads(call["function"]["arguments"])
        return text

    def chunks(self, say: Say, asked: int):
        def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
            return {"choices": [{"finish_reason": finish, "index": 0, "delta": fields}]}

        yield delta(role="assistant", content=None) | {"prompt_progress": {"processed": 0}}
        if say.thinking:
            yield delta(reasoning_content=say.thinking)
        for place, piece in enumerate(say.pieces):
            if say.hold is not None and place == say.hold_after:
                yield from self.wait(say.hold)
            yield delta(content=piece)
        for index, call in enumerate(say.calls):
            function = {"name": call.name, "arguments": call.arguments[:1]}
            first = {"index": index, "id": f"id{len(self.asked)}{index}", "type": "function"}
            yield delta(tool_calls=[{**first, "function": function}])
            rest = {"index": index, "function": {"arguments": call.arguments[1:]}}
            yield delta(tool_calls=[rest])
        if say.cut:
            return
        yield delta({"tools": "tool_calls", "end": "stop"}.get(say.stops, say.stops))
        used = say.used(asked)
        usage = {"prompt_tokens": used.input, "completion_tokens": used.output}
        yield {"choices": [], "usage": {**usage, "prompt_tokens_details": {"cached_tokens": 0}}}

    def wait(self, event: asyncio.Event):
        """Wait as the library computes: it calls back again and again, and so hears a cancel."""
        for _ in itertools.count():
            if self.loop.is_closed() or event.is_set():
                return
            self.ended.wait(0.01)
            yield {"choices": [], "prompt_progress": {"processed": 0}}

    def close(self) -> None:
        self.ended.set()


class TestLocalProvider(ProviderContract):
    model = "local:tools"

    @pytest.fixture
    async def provider(self, with_tools: Path, make_provider) -> Provider:
        self.script = Script()

        def load(model: LocalModel) -> Loaded:
            return self.script

        return make_provider(load, model=str(with_tools))

    def will(self, *answers: Say | Fail) -> None:
        for answer in answers:
            if isinstance(answer, Fail) and answer.kind not in TYPES:
                pytest.skip(f"nothing in this process answers {answer.kind}")
        self.script.answers += answers

    def asked(self) -> int:
        return len(self.script.asked)

    async def test_calls_run_side_by_side(self, opened: Provider) -> None:
        # There is one slot: the second waits for the first.
        gate = asyncio.Event()
        self.will(Say("first", hold=gate), Say("second"))
        first = asyncio.ensure_future(opened.stream(self.request()))
        second = asyncio.ensure_future(opened.stream(self.request()))
        while self.asked() < 1:
            await asyncio.sleep(0.001)
        gate.set()
        answers: list[ModelResponse] = await asyncio.gather(first, second)
        assert [answer.text for answer in answers] == ["first", "second"]

    async def test_a_model_is_described_without_guessing(self, provider: Provider) -> None:
        known, unknown = await provider.info("tools"), await provider.info("test")
        assert known.tools
        assert known.window == 8192
        assert (unknown.name, unknown.window) == ("test", None)

    async def test_an_error_of_the_library_is_one_line(self, opened: Provider) -> None:
        self.will(Fail("context_overflow"))
        with pytest.raises(Failed, match="local:tools: scripted context_overflow"):
            await opened.stream(self.request())


def test_the_kinds_that_are_left_out_are_a_vendor_s() -> None:
    assert set(KINDS) - set(TYPES) == {
        "auth",
        "quota",
        "content_filter",
        "rate_limit",
        "timeout",
    }


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-local"
