"""The plugin, its memory and its tools pass their suites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from hermes import Memory, PluginContext, Tool
from hermes.testing import (
    FakeContext,
    MemoryContract,
    PluginContract,
    ToolContract,
    open_runtime,
)
from hermes_plugin_honcho.memory import HonchoMemory
from hermes_plugin_honcho.tools import (
    honcho_conclude,
    honcho_profile,
    honcho_reasoning,
    honcho_search,
)


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-honcho"


class TestMemory(MemoryContract):
    @pytest.fixture
    def memory(self, context: FakeContext) -> Memory:
        return HonchoMemory(context)


class TestTools(ToolContract):
    examples = {  # noqa: RUF012
        "honcho_profile": {},
        "honcho_search": {"query": "tea"},
        "honcho_reasoning": {"query": "What do they drink?"},
        "honcho_conclude": {"conclusion": "Likes tea"},
    }

    @pytest.fixture
    async def context(self, context: FakeContext) -> AsyncIterator[PluginContext]:
        """With a runtime whose memory is Honcho, which knows the person."""
        memory = HonchoMemory(context)
        async with open_runtime(context.paths.home, offers={"memory": {"it": memory}}) as runtime:
            await runtime.memories()
            await memory.client.conclude("owner", "Likes tea", "")
            context.runtime = runtime
            yield context

    @pytest.fixture
    def tools(self) -> Sequence[Tool]:
        return (honcho_profile, honcho_search, honcho_reasoning, honcho_conclude)
