"""Check that the bot has what it needs; ``hermes gateway status`` says how it is."""

from __future__ import annotations

from hermes import Check, Finding, PluginContext
from hermes_plugin_telegram.platform import TelegramPlatform
from hermes_plugin_telegram.settings import TelegramSettings


class TelegramCheck(Check):
    """One line: what the bot lacks, or that it lacks nothing."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def check(self) -> tuple[Finding, ...]:
        settings: TelegramSettings = self._context.settings
        if not settings.enabled:
            return (Finding("ok", "Telegram is not enabled", "telegram.enabled: true"),)
        if missing := TelegramPlatform(self._context).missing():
            what, _, mend = missing.partition(": ")
            return (Finding("error", f"Telegram: {what}", mend),)
        return (Finding("ok", f"Telegram is enabled, by {settings.mode}"),)
