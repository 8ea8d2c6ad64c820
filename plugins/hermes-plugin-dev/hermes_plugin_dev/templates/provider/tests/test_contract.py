"""The plugin is whole, and its provider keeps the contract, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hermes import Provider
from hermes.testing import Fail, MakeContext, OpenAIServer, PluginContract, ProviderContract, Say

from hermes_plugin_acorn.provider import ChatProvider
from hermes_plugin_acorn.settings import Settings


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-acorn"


class TestProvider(ProviderContract):
    model = "acorn:test"

    @pytest.fixture
    async def provider(self, plugin_context: MakeContext) -> AsyncIterator[Provider]:
        async with OpenAIServer(key="sk-test") as self.server:
            context = plugin_context(
                "acorn",
                settings=Settings(base_url=self.server.url),
                secrets={"ACORN_API_KEY": "sk-test"},
            )
            yield ChatProvider(context)

    def will(self, *answers: Say | Fail) -> None:
        self.server.will(*answers)

    def asked(self) -> int:
        return len(self.server.requests)
