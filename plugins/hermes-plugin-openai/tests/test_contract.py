"""The contract, over HTTP and the real SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hermes import Provider
from hermes.testing.answers import Fail, Say
from hermes.testing.contracts.plugin import PluginContract
from hermes.testing.contracts.provider import ProviderContract
from hermes.testing.openai_server import OpenAIServer
from hermes_plugin_openai.provider import OpenAIProvider
from hermes_plugin_openai.settings import OpenAISettings


class TestOpenAIProvider(ProviderContract):
    model = "openai:test"

    @pytest.fixture
    async def provider(self, plugin_context) -> AsyncIterator[Provider]:
        async with OpenAIServer() as self.server:
            settings = OpenAISettings(base_url=self.server.url)
            yield OpenAIProvider(plugin_context("openai", settings=settings))

    def will(self, *answers: Say | Fail) -> None:
        self.server.will(*answers)

    def asked(self) -> int:
        return len(self.server.requests)


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-openai"
