"""Signed webhooks (GitHub, GitLab, any) that start a turn."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_platforms() -> list[Offer]:
    return [
        Offer(
            "webhook",
            "hermes_plugin_webhook.platform:WebhookPlatform",
            "Takes in signed events of other services",
        )
    ]


@hookimpl
def hermes_commands() -> list[Offer]:
    return [
        Offer(
            "webhook",
            "hermes_plugin_webhook.commands:webhook",
            "Add, list, try and remove webhook routes",
            surfaces=("cli",),
        )
    ]


@hookimpl
def hermes_checks() -> list[Offer]:
    return [Offer("webhook", "hermes_plugin_webhook.checks:WebhookCheck", "Webhook routes")]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "webhook",
            "hermes_plugin_webhook.settings:WebhookSettings",
            "Where webhooks arrive, and what becomes of them",
            guard=True,
        )
    ]
