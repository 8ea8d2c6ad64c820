"""Models behind an endpoint of chat completions."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_providers() -> list[Offer]:
    return [
        Offer(
            "old-provider",
            "hermes_plugin_old_provider.provider:ChatProvider",
            "Chat completions over HTTP",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "old-provider",
            "hermes_plugin_old_provider.settings:Settings",
            "Where the models are",
        ),
    ]
