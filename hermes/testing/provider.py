"""A provider whose answers a test scripts."""

from __future__ import annotations

import asyncio
import base64
import binascii
import inspect
from collections.abc import Iterable

import msgspec

from hermes.errors import Failed, Failure
from hermes.messages import Image, ToolOutput
from hermes.provider import ModelInfo, ModelRequest, ModelResponse, ModelSpec, Provider
from hermes.testing.answers import Fail, Say, Scripted


class ScriptedProvider(Provider):
    """Answers in order, streaming, and checks what it gets as a vendor would.

    An answer is a string, `Say`, `Fail`, a whole `ModelResponse`, a `Failure`, or a function of the
    request that gives one. When none is left, asking fails as ``internal``.
    """

    def __init__(
        self,
        *answers: Scripted | ModelResponse | Failure,
        name: str = "scripted",
        info: ModelInfo | None = None,
        models: Iterable[ModelInfo] = (),
    ) -> None:
        self.answers = list(answers)
        self.requests: list[ModelSpec] = []
        """Everything that was asked."""
        self.name = name
        self.opened = 0
        self.closed = 0
        self.cancelled = 0
        self._info = info
        self._models = tuple(models)
        self._asked = asyncio.Condition()

    def will(self, *answers: Scripted | ModelResponse | Failure) -> None:
        """Answer so next, after what is left."""
        self.answers += answers

    async def asked(self, count: int = 1, seconds: float = 5.0) -> list[ModelSpec]:
        """Wait until *count* requests have come. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._asked:
            await self._asked.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    async def open(self) -> None:
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    async def stream(self, request: ModelRequest) -> ModelResponse:
        self.requests.append(request.spec)
        async with self._asked:
            self._asked.notify_all()
        if why := refusal(request.spec):
            raise Failed(Failure("bad_request", why, self.name, 400))
        if not self.answers:
            raise Failed(Failure("internal", "the script has no answer left", self.name))
        answer = self.answers.pop(0)
        while callable(answer):
            answer = answer(request)
            answer = await answer if inspect.isawaitable(answer) else answer
        if isinstance(answer, Failure):
            raise Failed(answer)
        if isinstance(answer, Fail):
            raise Failed(answer.failure(self.name))
        try:
            return await self._say(request, answer)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def _say(self, request: ModelRequest, answer: str | Say | ModelResponse) -> ModelResponse:
        if isinstance(answer, ModelResponse):
            for piece in Say(answer.text).pieces:
                request.chunk(piece)
            return answer
        say = Say(answer) if isinstance(answer, str) else answer
        await asyncio.sleep(say.delay)
        if say.thinking:
            request.thinking(say.thinking)
        for place, piece in enumerate(say.pieces):
            if say.hold is not None and place == say.hold_after:
                await say.hold.wait()
            request.chunk(piece)
            await asyncio.sleep(0)
        if say.hold is not None and say.hold_after >= len(say.pieces):
            await say.hold.wait()
        if say.cut:
            raise Failed(Failure("transient", f"{self.name} cut the answer short", self.name))
        return say.response(request.spec.model, len(msgspec.json.encode(request.spec)))

    async def models(self) -> tuple[ModelInfo, ...]:
        return self._models

    async def info(self, name: str) -> ModelInfo:
        known = {model.name: model for model in self._models}
        return known.get(name) or self._info or ModelInfo(name)


def refusal(spec: ModelSpec) -> str:
    """Say why a vendor would refuse *spec*; empty where none would."""
    if not spec.messages:
        return "messages: there is none"
    try:
        msgspec.json.encode(spec)
    except UnicodeEncodeError as error:
        return f"messages: text that is no UTF-8 ({error.reason})"
    names = [tool.name for tool in spec.tools]
    if len(set(names)) < len(names):
        return "tools: names must be unique"
    return _unpaired(spec) or _bad_image(spec)


def _unpaired(spec: ModelSpec) -> str:
    open_ids: list[str] = []
    for message in spec.messages:
        outputs = [part.id for part in message.parts if isinstance(part, ToolOutput)]
        if (message.role == "tool") != bool(outputs):
            return f"a message of role {message.role} with {len(outputs)} tool outputs"
        for id in outputs:
            if id not in open_ids:
                return f"messages with role 'tool' must answer a preceding tool call: {id}"
            open_ids.remove(id)
        if message.role != "tool" and open_ids:
            return f"these tool calls were not answered: {', '.join(open_ids)}"
        if message.role == "assistant":
            open_ids = [use.id for use in message.tool_uses]
            if len(set(open_ids)) < len(open_ids):
                return "tool call ids must be unique"
    return f"these tool calls were not answered: {', '.join(open_ids)}" if open_ids else ""


def _bad_image(spec: ModelSpec) -> str:
    for message in spec.messages:
        for part in message.parts:
            pictures = (part,) if isinstance(part, Image) else getattr(part, "images", ())
            for image in pictures:
                try:
                    base64.b64decode(image.data, validate=True)
                except binascii.Error:
                    return "an image that is no base64"
    return ""
