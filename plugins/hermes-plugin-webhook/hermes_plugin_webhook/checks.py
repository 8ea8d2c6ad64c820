"""Check that the routes have what they need."""

from __future__ import annotations

from hermes import Check, Finding, PluginContext
from hermes_plugin_webhook.platform import WebhookPlatform
from hermes_plugin_webhook.settings import WebhookSettings


class WebhookCheck(Check):
    """One line: what the routes lack, or how many there are."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def check(self) -> tuple[Finding, ...]:
        settings: WebhookSettings = self._context.settings
        if not settings.enabled:
            return (Finding("ok", "Webhooks are not enabled", "webhook.enabled: true"),)
        if missing := WebhookPlatform(self._context).missing():
            what, _, mend = missing.partition(": ")
            return (Finding("error", f"Webhooks: {what}", mend),)
        count = len(settings.routes)
        return (Finding("ok", f"Webhooks: {count} route{'' if count == 1 else 's'}"),)
