"""Slows down a conversation that is too fast."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_middleware() -> list[Offer]:
    return [
        Offer(
            "old-middleware",
            "hermes_plugin_old_middleware.pace:Pace",
            "Turns that a minute may have",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "old-middleware",
            "hermes_plugin_old_middleware.settings:Settings",
            "Turns a minute",
        ),
    ]
