"""The plugin is whole, and its platform keeps the contract, over TCP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hermes import Platform
from hermes.testing import MakeContext, PlatformContract, PluginContract

from hermes_plugin_acorn.platform import LinePlatform
from hermes_plugin_acorn.server import ChatServer
from hermes_plugin_acorn.settings import Settings


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-acorn"


class TestPlatform(PlatformContract):
    @pytest.fixture
    async def platform(self, plugin_context: MakeContext) -> AsyncIterator[Platform]:
        self.server = ChatServer("secret")
        await self.server.start()
        settings = Settings(host="127.0.0.1", port=self.server.port)
        secrets = {"ACORN_TOKEN": "secret"}
        context = plugin_context("acorn", settings=settings, secrets=secrets)
        yield LinePlatform(context)
        await self.server.stop()

    def say(self, platform: Platform, text: str, id: str) -> None:
        self.server.say(text, id)

    def shown(self, platform: Platform) -> list[str]:
        return self.server.shown

    def revoke(self, platform: Platform) -> None:
        self.server.token = "another"
