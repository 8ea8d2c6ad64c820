"""The suite of memories passes the fake and fails each bad one for its own fault."""

from __future__ import annotations

from pathlib import Path

from hermes.testing.inner import run_mutants

SOURCE = """
import asyncio
import pytest
from hermes.testing import FakeMemory, MemoryContract

class Suite(MemoryContract):
    kind = FakeMemory
    @pytest.fixture
    def memory(self):
        return self.kind()

class TestGood(Suite):
    pass

class Chatty(FakeMemory):
    async def recall(self, turn):
        return await super().recall(turn) or "Nothing is known."
class TestChatty(Suite):
    kind = Chatty

class Forgetful(FakeMemory):
    async def record(self, turn, result):
        pass
class TestForgetful(Suite):
    kind = Forgetful

class Shared(FakeMemory):
    async def recall(self, turn):
        return "\\n".join(fact for facts in self.facts.values() for fact in facts)
class TestShared(Suite):
    kind = Shared

class Mixes(FakeMemory):
    async def recall(self, turn):
        self.turn = turn
        await asyncio.sleep(0)
        return await super().recall(self.turn)
class TestMixes(Suite):
    kind = Mixes

class Slow(FakeMemory):
    async def recall(self, turn):
        await asyncio.sleep(0.4)
        return ""
class TestSlow(Suite):
    kind = Slow

class Picky(FakeMemory):
    async def record(self, turn, result):
        if result.status != "ok":
            raise ValueError(result.status)
        await super().record(turn, result)
class TestPicky(Suite):
    kind = Picky

class Delicate(FakeMemory):
    async def recall(self, turn):
        turn.input.text.encode("ascii")
        return await super().recall(turn)
class TestDelicate(Suite):
    kind = Delicate

class Keeps(FakeMemory):
    async def forget(self, person, about):
        return 1
class TestKeeps(Suite):
    kind = Keeps

class ForgetsForAll(FakeMemory):
    async def forget(self, person, about):
        return sum([await super(ForgetsForAll, self).forget(p, about) for p in list(self.facts)])
class TestForgetsForAll(Suite):
    kind = ForgetsForAll

class ForgetsAll(FakeMemory):
    async def forget(self, person, about):
        return len(self.facts.pop(person, []))
class TestForgetsAll(Suite):
    kind = ForgetsAll
"""

FAULTS = {
    "TestGood": "",
    "TestChatty": "it_knows_nothing_of_a_stranger",
    "TestForgetful": "it_recalls_what_was_said",
    "TestShared": "one_person_s_memories_never_reach_another",
    "TestMixes": "at_once_they_do_not_mix_either",
    "TestSlow": "it_answers_in_time",
    "TestPicky": "a_failed_turn_is_no_error",
    "TestDelicate": "strange_text_is_no_error",
    "TestKeeps": "what_is_forgotten_is_gone_and_counted",
    "TestForgetsForAll": "what_is_forgotten_is_gone_and_counted",
    "TestForgetsAll": "forgetting_what_is_not_there_forgets_nothing",
}


def test_each_fault_fails_its_own_rule(tmp_path: Path) -> None:
    assert run_mutants(tmp_path, SOURCE, FAULTS) == {}
