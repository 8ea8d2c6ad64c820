"""Telegram: private chats, groups and topics."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_platforms() -> list[Offer]:
    return [
        Offer(
            "telegram",
            "hermes_plugin_telegram.platform:TelegramPlatform",
            "Private chats, groups and topics by a Telegram bot",
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "telegram",
            "hermes_plugin_telegram.settings:TelegramSettings",
            "The bot's token, how updates come, what is shown",
        )
    ]


@hookimpl
def hermes_checks() -> list[Offer]:
    return [
        Offer(
            "telegram",
            "hermes_plugin_telegram.checks:TelegramCheck",
            "Whether the bot has what it needs",
        )
    ]
