"""Check that the bot's token is there; ``hermes gateway status`` says whether Telegram takes it."""

from __future__ import annotations

from hermes import Check, Finding, PluginContext
from hermes_plugin_telegram.settings import TelegramSettings


class TelegramCheck(Check):
    """One line about the bot, and one for a webhook that cannot work."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def check(self) -> tuple[Finding, ...]:
        settings: TelegramSettings = self._context.settings
        if not settings.enabled:
            return (Finding("ok", "Telegram is not enabled", "telegram.enabled: true"),)
        if not self._context.secrets.get(settings.token):
            mend = "put TELEGRAM_BOT_TOKEN=… (from @BotFather) into .env"
            return (Finding("error", "Telegram has no bot token", mend),)
        if settings.mode == "webhook" and not settings.webhook_url.startswith("https://"):
            mend = "telegram.webhook_url: https://…"
            return (Finding("error", "Telegram's webhook needs an https address", mend),)
        return (Finding("ok", f"Telegram is enabled, by {settings.mode}"),)
