"""The contracts, through the real client and a Bot API on loopback."""

from __future__ import annotations

import pytest

from hermes import Platform, SessionKey
from hermes.testing import PlatformContract, PluginContract, TelegramServer
from hermes_plugin_telegram.checks import TelegramCheck
from hermes_plugin_telegram.settings import TelegramSettings


class TestTelegramPlatform(PlatformContract):
    @pytest.fixture
    def platform(self, telegram: TelegramServer, make_platform) -> Platform:
        self.telegram = telegram
        self.chat = telegram.private("Anna")
        self.said: dict[str, dict] = {}
        return make_platform()

    def say(self, platform: Platform, text: str, id: str) -> None:
        updates = self.telegram.updates
        if id in self.said:
            updates.insert(self.said[id])
            return
        message = self.chat.say(text)
        self.said[id] = {"update_id": updates.last, "message": message}

    def shown(self, platform: Platform) -> list[str]:
        return self.chat.shown

    def revoke(self, platform: Platform) -> None:
        self.telegram.revoke()

    faults = ("half-open", "black-hole", "refuse", "errors", "cut", "drop", "deaf")

    async def break_line(self, platform: Platform, fault: str) -> None:
        await self.telegram.fault(fault)

    async def mend_line(self, platform: Platform) -> None:
        await self.telegram.heal()

    def key(self, platform: Platform) -> SessionKey:
        return SessionKey("telegram", str(self.chat.id))


@pytest.mark.parametrize(
    ("settings", "secrets", "level", "said"),
    [
        ({}, {}, "ok", "not enabled"),
        ({"enabled": True}, {}, "error", "no bot token"),
        ({"enabled": True}, {"TELEGRAM_BOT_TOKEN": "1:a"}, "ok", "by polling"),
        (
            {"enabled": True, "mode": "webhook"},
            {"TELEGRAM_BOT_TOKEN": "1:a"},
            "error",
            "no address for the webhook",
        ),
    ],
)
async def test_the_doctor_says_what_it_lacks(plugin_context, settings, secrets, level, said):
    given = TelegramSettings(**settings)
    context = plugin_context("telegram", settings=given, secrets=secrets)
    (finding,) = await TelegramCheck(context).check()
    assert finding.level == level
    assert said in finding.text


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-telegram"
