"""Auxiliary model calls whose answers a test scripts."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hermes.errors import Failed, Failure
from hermes.messages import Text, Usage
from hermes.provider import ModelResponse, Models
from hermes.turn import Turn


class ModelQuestion(msgspec.Struct, frozen=True):
    """What a plugin asked a model beside the conversation."""

    purpose: str
    text: str
    prompt: str = ""
    model: str = ""
    turn: str = ""
    """Id of the turn whose budget pays; empty where none was given."""
    answer_schema: str = ""
    max_output: int | None = None


class FakeModels(Models):
    """Answers in order: a string, a whole response, or a `Failure` to raise.

    Without an answer left, as without a model configured, asking raises `Failed`.
    """

    def __init__(self, answers: Iterable[str | ModelResponse | Failure] = ()) -> None:
        self.answers = list(answers)
        self.asked: list[ModelQuestion] = []

    async def ask(
        self,
        purpose: str,
        text: str,
        *,
        prompt: str = "",
        model: str = "",
        parent: Turn | None = None,
        answer_schema: str = "",
        max_output: int | None = None,
    ) -> ModelResponse:
        turn = parent.input.id if parent is not None else ""
        self.asked.append(
            ModelQuestion(purpose, text, prompt, model, turn, answer_schema, max_output)
        )
        if not self.answers:
            raise Failed(Failure("bad_request", "no model is configured", source="models"))
        answer = self.answers.pop(0)
        if isinstance(answer, Failure):
            raise Failed(answer)
        if isinstance(answer, ModelResponse):
            return answer
        return ModelResponse((Text(answer),), model or "fake:model", Usage(calls=1))
