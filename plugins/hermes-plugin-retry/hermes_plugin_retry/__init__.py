"""Tries a model call again when that may help."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_middleware() -> list[Offer]:
    return [
        Offer(
            "retry",
            "hermes_plugin_retry.retry:Retry",
            "Waits and asks the model again after a failure that may pass",
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [Offer("retry", "hermes_plugin_retry.settings:Settings", "How often, and how long")]
