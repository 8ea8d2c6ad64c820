"""What counts, what clears, and what is remembered."""

from __future__ import annotations

import typing

import pytest

from hermes import Failure, FailureKind, Turn, TurnResult
from hermes.testing import make_session, make_turn
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_failure_tracking.tracking import LIMIT, THRESHOLD, FailureTracking

NEVER = {"rate_limit", "timeout", "transient", "refused", "content_filter"}
KINDS: tuple[FailureKind, ...] = typing.get_args(FailureKind)


class Agent:
    """The rest of the chain: ends every turn as it is told, and counts them."""

    def __init__(self) -> None:
        self.ends = TurnResult("ok", "Hello.")
        self.runs = 0

    async def __call__(self, turn: Turn) -> TurnResult:
        self.runs += 1
        return self.ends


def failed(kind: FailureKind = "bad_request") -> TurnResult:
    return TurnResult.failed(Failure(kind, f"it is {kind}", "vendor"))


@pytest.fixture
def agent() -> Agent:
    return Agent()


@pytest.fixture
def tracking(plugin_context: MakeContext) -> FailureTracking:
    return FailureTracking(plugin_context("failure-tracking"))


def turn(session: str = "one", **fields: str) -> Turn:
    return make_turn(session=make_session(session), **fields)


@pytest.mark.parametrize("kind", KINDS)
async def test_only_what_trying_again_cannot_mend_counts(
    kind: FailureKind, tracking: FailureTracking, agent: Agent
) -> None:
    agent.ends = failed(kind)
    for _ in range(20):
        await tracking.turn(turn(), agent)
    assert agent.runs == (20 if kind in NEVER else THRESHOLD)


@pytest.mark.parametrize("status", ["cancelled", "blocked"])
async def test_a_turn_that_was_stopped_never_counts(
    status: typing.Any, tracking: FailureTracking, agent: Agent
) -> None:
    agent.ends = TurnResult(status, "Stopped.", failure=Failure("internal", "x"))
    for _ in range(20):
        await tracking.turn(turn(), agent)
    assert agent.runs == 20


async def test_the_answer_says_how_often_and_what_to_do(
    tracking: FailureTracking, agent: Agent
) -> None:
    agent.ends = failed()
    results = [await tracking.turn(turn(), agent) for _ in range(5)]
    assert [result.status for result in results] == ["failed"] * 3 + ["blocked"] * 2
    assert results[-1].reply == (
        "⚠️ This session has failed 3 times in a row with a non-retryable error."
        " Use /reset to start a new session."
    )


async def test_a_success_in_between_begins_the_count_again(
    tracking: FailureTracking, agent: Agent
) -> None:
    for _ in range(4):
        for agent.ends in (failed(), failed(), TurnResult("ok", "Hello.")):
            await tracking.turn(turn(), agent)
    assert agent.runs == 12


async def test_a_retryable_failure_in_between_changes_nothing(
    tracking: FailureTracking, agent: Agent
) -> None:
    for agent.ends in (failed(), failed(), failed("rate_limit"), failed("quota")):
        await tracking.turn(turn(), agent)
    assert (await tracking.turn(turn(), agent)).status == "blocked"


@pytest.mark.parametrize(
    "change", [{"session": "two"}, {"model": "fake:other"}, {"config_revision": "2"}]
)
async def test_another_conversation_model_or_configuration_is_free(
    change: dict[str, str], tracking: FailureTracking, agent: Agent
) -> None:
    agent.ends = failed()
    for _ in range(5):
        await tracking.turn(turn(), agent)
    agent.ends = TurnResult("ok", "Hello.")
    assert (await tracking.turn(turn(**change), agent)).status == "ok"
    assert (await tracking.turn(turn(), agent)).status == "blocked"


async def test_it_remembers_the_latest_failures_and_no_more(
    tracking: FailureTracking, agent: Agent
) -> None:
    agent.ends = failed()
    for number in range(LIMIT + 50):
        for _ in range(THRESHOLD):
            await tracking.turn(turn(f"session-{number}"), agent)
    agent.runs = 0
    await tracking.turn(turn("session-0"), agent)
    await tracking.turn(turn(f"session-{LIMIT + 49}"), agent)
    assert agent.runs == 1  # the oldest was forgotten, the newest is blocked
