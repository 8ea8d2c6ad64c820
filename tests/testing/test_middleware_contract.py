"""The suite of middleware passes a good one and fails each bad one for its own fault."""

from __future__ import annotations

from pathlib import Path

from hermes.testing.inner import run_mutants

SOURCE = '''
import asyncio, collections
import pytest
from hermes import Failed, Failure, Middleware, Stage, ToolResult, TurnResult
from hermes.testing import MiddlewareContract

class Suite(MiddlewareContract):
    kind = None
    patience = 0.3
    @pytest.fixture
    def middleware(self):
        return self.kind()

class Good(Middleware):
    """Counts failures as failure tracking does, and guards tools."""
    stage = Stage.GUARD
    def __init__(self):
        self.failures = collections.OrderedDict()
    async def turn(self, turn, call_next):
        result = await call_next(turn)
        self.failures[turn.input.session.id] = result.status
        while len(self.failures) > 500:
            self.failures.popitem(last=False)
        return result
    async def tool(self, call, call_next):
        return await call_next(call.granted("good"))
    async def model(self, request, call_next):
        try:
            return await call_next(request)
        except Failed:
            return await call_next(request.again("once more"))
    async def deliver(self, outgoing, call_next):
        return await call_next(outgoing)

class TestGood(Suite):
    kind = Good

class NoStage(Good):
    stage = 10
class TestNoStage(Suite):
    kind = NoStage

class Misspelt(Good):
    async def receive_(self, inbound, call_next):
        return await call_next(inbound)
class TestMisspelt(Suite):
    kind = Misspelt

class TestNothing(Suite):
    kind = Middleware

class WrongShape(Good):
    async def tool(self, call, call_next, more=None):
        return await call_next(call)
class TestWrongShape(Suite):
    kind = WrongShape

class RefusesAll(Middleware):
    async def tool(self, call, call_next):
        return ToolResult.error("no")
class TestRefusesAll(Suite):
    kind = RefusesAll

class Twice(Good):
    async def turn(self, turn, call_next):
        await call_next(turn)
        return await call_next(turn)
class TestTwice(Suite):
    kind = Twice

class WrongResult(Good):
    async def tool(self, call, call_next):
        return (await call_next(call)).text
class TestWrongResult(Suite):
    kind = WrongResult

class PassesOnWrong(Good):
    async def turn(self, turn, call_next):
        return await call_next(turn.input)
class TestPassesOnWrong(Suite):
    kind = PassesOnWrong

class Mutates(Good):
    async def tool(self, call, call_next):
        call.request = call.granted("me").request
        return await call_next(call)
class TestMutates(Suite):
    kind = Mutates

class SwallowsCancel(Good):
    async def tool(self, call, call_next):
        try:
            return await call_next(call)
        except asyncio.CancelledError:
            return ToolResult.error("cancelled")
class TestSwallowsCancel(Suite):
    kind = SwallowsCancel

class Shields(Good):
    async def model(self, request, call_next):
        task = asyncio.ensure_future(call_next(request))
        while True:
            try:
                return await asyncio.shield(task)
            except asyncio.CancelledError:
                if task.done():
                    raise
class TestShields(Suite):
    kind = Shields

class TurnsFailures(Good):
    async def model(self, request, call_next):
        try:
            return await call_next(request)
        except Failed as failed:
            raise ValueError(str(failed)) from None
class TestTurnsFailures(Suite):
    kind = TurnsFailures

class HidesBugs(Good):
    async def turn(self, turn, call_next):
        try:
            return await call_next(turn)
        except Exception as error:
            return TurnResult.failed(Failure("internal", str(error)))
class TestHidesBugs(Suite):
    kind = HidesBugs

class Mixes(Good):
    async def tool(self, call, call_next):
        self.call = call
        await asyncio.sleep(0)
        return await call_next(self.call)
class TestMixes(Suite):
    kind = Mixes

class Grows(Good):
    async def turn(self, turn, call_next):
        self.failures[turn.input.session.id] = 1
        return await call_next(turn)
class TestGrows(Suite):
    kind = Grows

class Table:
    def __init__(self):
        self.rows = {}
class GrowsInside(Good):
    def __init__(self):
        super().__init__()
        self.table = Table()
    async def turn(self, turn, call_next):
        self.table.rows[turn.input.session.id] = 1
        return await call_next(turn)
class TestGrowsInside(Suite):
    kind = GrowsInside

class LeavesTask(Good):
    async def open(self):
        self.task = asyncio.ensure_future(asyncio.sleep(300))
class TestLeavesTask(Suite):
    kind = LeavesTask

class NeverCloses(Good):
    async def close(self):
        await asyncio.sleep(300)
class TestNeverCloses(Suite):
    kind = NeverCloses
    @pytest.fixture
    def middleware(self, request):
        return (NeverCloses if "closes_what" in request.node.name else Good)()
'''

FAULTS = {
    "TestGood": "",
    "TestNoStage": "its_stage_is_one_of_the_known",
    "TestMisspelt": "it_overrides_points_that_exist_in_their_shape",
    "TestNothing": "it_overrides_points_that_exist_in_their_shape",
    "TestWrongShape": "it_overrides_points_that_exist_in_their_shape",
    "TestRefusesAll": "something_passes",
    "TestTwice": "it_calls_on_at_most_once",
    "TestWrongResult": "it_gives_back_and_passes_on_what_the_point_is_about",
    "TestPassesOnWrong": "it_gives_back_and_passes_on_what_the_point_is_about",
    "TestMutates": "it_changes_a_copy_never_what_it_was_given",
    "TestSwallowsCancel": "a_cancelled_call_stays_cancelled",
    "TestShields": "a_cancelled_call_stays_cancelled",
    "TestTurnsFailures": "an_expected_failure_stays_one",
    "TestHidesBugs": "a_bug_beneath_it_is_not_hidden",
    "TestMixes": "what_runs_at_the_same_time_does_not_mix",
    "TestGrows": "what_it_remembers_is_bounded",
    "TestGrowsInside": "what_it_remembers_is_bounded",
    "TestLeavesTask": "it_closes_what_it_opened",
    "TestNeverCloses": "it_closes_what_it_opened",
}


def test_each_fault_fails_its_own_rule(tmp_path: Path) -> None:
    assert run_mutants(tmp_path, SOURCE, FAULTS) == {}
