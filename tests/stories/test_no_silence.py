"""Whatever becomes of a message, its sender gets an answer or one plain line (AT-28)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hermes.errors import Failed, Failure
from hermes.middleware import Middleware, Next
from hermes.testing import AllowAll, FakePlatform, LetIn, MemoryStore, ScriptedProvider
from hermes.testing.answers import Call, Fail, Say
from hermes.testing.gateway import open_gateway
from hermes.tools import READ, TOGETHER, tool
from hermes.turn import Turn, TurnResult


class Vetoes(Middleware):
    """Says no to a turn, and to a model call, when asked to."""

    async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
        if turn.input.text == "veto":
            return TurnResult("blocked", "Not today.")
        if turn.input.text == "veto without a word":
            return TurnResult("blocked", "")
        return await call_next(turn)

    async def model(self, request: Any, call_next: Any) -> Any:
        if request.spec.messages[-1].text == "veto the call":
            raise Failed(Failure("refused", "The budget is used up.", "budget"))
        return await call_next(request)


@tool(effect=READ, needs=set(), lane=TOGETHER)
async def crash() -> str:
    """Crash."""
    raise RuntimeError("a bug")


def broken(request: Any) -> Any:
    raise RuntimeError("a provider's bug")


CASES = {
    "nothing at all": (Say(""), "empty answer"),
    "spaces": (Say(" \n "), "empty answer"),
    "only thoughts": (Say("", thinking="Hm."), "empty answer"),
    "[SILENT]": ("[SILENT]", "[SILENT]"),  # text is text: no word means silence
    "NO_REPLY": ("NO_REPLY", "NO_REPLY"),
    "filtered": (Say("I can", stop="filter"), "filtered"),
    "cut at the limit": (Say("Half of it", stop="length"), "Half of it"),
    "402": (Fail("quota", "Insufficient credits", status=402), "Insufficient credits"),
    "401": (Fail("auth", "Incorrect API key"), "Incorrect API key"),
    "timeout": (Fail("timeout", "The model did not answer in time"), "did not answer in time"),
    "5xx": (Fail("transient", "Bad gateway"), "Bad gateway"),
    "provider's bug": (broken, "a provider's bug"),
    "tool's bug": (Say(calls=(Call("crash"),)), "I saw it crash."),
    "tool that is not there": (Say(calls=(Call("frobnicate"),)), "I saw it crash."),
    "veto": ("never", "Not today."),
    "veto without a word": ("never", "⚠️"),
    "veto the call": ("never", "The budget is used up."),
}


@pytest.mark.parametrize("case", CASES)
async def test_an_end_is_always_said(case: str, tmp_path: Path) -> None:
    answer, said = CASES[case]
    platform, store = FakePlatform(), MemoryStore()
    async with open_gateway(
        tmp_path,
        platform,
        provider=ScriptedProvider(answer, "I saw it crash."),
        store=store,
        tools=[crash],
        middleware=[AllowAll(), LetIn(), Vetoes()],
    ):
        platform.say(case)
        (text,) = await platform.said(1)
    assert said in text
    assert len(text.splitlines()) == 1
    assert "Traceback" not in text
    assert [entry.end for entry in store.disk.queues["inbox"].values()] == ["answered"]
