"""What every `Memory` must do (architecture §5.6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from hermes.errors import Failure
from hermes.memory import Memory
from hermes.session import Authority
from hermes.testing.make import make_turn
from hermes.turn import Turn, TurnResult

RECALL_SECONDS = 0.3
STRANGE = ("", " ", "'; DROP TABLE memories; --", "日本語のテキスト", '"*NEAR(', "x" * 50_000)
OK = TurnResult("ok", "Noted.", model="fake:model", steps=1)


class MemoryContract:
    """Subclass and give the fixture `memory`, created and not yet opened.

    Override `settle` where learning ends later than `record` returns.
    """

    @pytest.fixture
    def memory(self) -> Memory:
        raise NotImplementedError("the suite needs a fixture `memory`")

    @pytest.fixture
    async def opened(self, memory: Memory) -> AsyncIterator[Memory]:
        await memory.open()
        yield memory
        await memory.close()

    async def settle(self, memory: Memory) -> None:
        """Wait until what was recorded can be recalled."""

    async def learn(self, memory: Memory, text: str, person: str = "ann") -> None:
        """Let *person* say *text* in a turn that went well."""
        await memory.record(said(text, person), OK)
        await self.settle(memory)

    async def test_it_knows_nothing_of_a_stranger(self, opened: Memory) -> None:
        assert await opened.recall(said("What is my favourite colour?", "nobody")) == ""

    async def test_it_recalls_what_was_said(self, opened: Memory) -> None:
        await self.learn(opened, "My favourite colour is turquoise")
        assert "turquoise" in await opened.recall(said("What is my favourite colour?"))

    async def test_one_person_s_memories_never_reach_another(self, opened: Memory) -> None:
        for number in range(5):
            await self.learn(opened, f"My favourite colour is canary{number}", f"person{number}")
        for number in range(5):
            recalled = await opened.recall(said("What is my favourite colour?", f"person{number}"))
            others = [other for other in range(5) if f"canary{other}" in recalled]
            assert others in ([], [number]), f"person{number} was told of {others}"

    async def test_at_once_they_do_not_mix_either(self, opened: Memory) -> None:
        turns = [said("Tell me my favourite colour", f"person{n}") for n in range(10)]
        for number in range(10):
            await self.learn(opened, f"My favourite colour is canary{number}", f"person{number}")
        recalled = await asyncio.gather(*map(opened.recall, turns))
        for number, text in enumerate(recalled):
            assert not [n for n in range(10) if n != number and f"canary{n}" in text]

    async def test_it_answers_in_time(self, opened: Memory) -> None:
        for number in range(100):
            await self.learn(opened, f"My favourite colour number {number} is shade{number}")
        began = time.monotonic()
        await opened.recall(said("What are my favourite colours?"))
        assert time.monotonic() - began < RECALL_SECONDS

    async def test_a_failed_turn_is_no_error(self, opened: Memory) -> None:
        failed = TurnResult.failed(Failure("timeout", "the model did not answer"))
        await opened.record(said("My favourite colour is grey"), failed)
        await self.settle(opened)
        assert isinstance(await opened.recall(said("favourite colour?")), str)

    async def test_strange_text_is_no_error(self, opened: Memory) -> None:
        for text in (
            "",
            " ",
            "'; DROP TABLE memories; --",
            "日本語のテキスト",
            '"*NEAR(',
            "x" * 50_000,
        ):
            await self.learn(opened, text)
            assert isinstance(await opened.recall(said(text)), str)

    async def test_what_is_forgotten_is_gone_and_counted(self, opened: Memory) -> None:
        await self.learn(opened, "My favourite colour is turquoise")
        await self.learn(opened, "My favourite colour is also turquoise", "bob")
        gone = await opened.forget("ann", "turquoise")
        recalled = await opened.recall(said("What is my favourite colour?"))
        assert gone > 0, "it says that nothing was forgotten"
        assert "turquoise" not in recalled
        assert "turquoise" in await opened.recall(said("What is my favourite colour?", "bob"))

    async def test_forgetting_what_is_not_there_forgets_nothing(self, opened: Memory) -> None:
        await self.learn(opened, "My favourite colour is turquoise")
        assert await opened.forget("ann", "quicksilver") == 0
        assert "turquoise" in await opened.recall(said("What is my favourite colour?"))


def said(text: str, person: str = "ann") -> Turn:
    """Make a turn in which *person* said *text*."""
    return make_turn(text, authority=Authority("cli", person, can_ask=True))
