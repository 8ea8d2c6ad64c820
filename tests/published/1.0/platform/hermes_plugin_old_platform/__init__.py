"""Chats over a server that speaks JSON lines."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_platforms() -> list[Offer]:
    return [
        Offer(
            "old-platform",
            "hermes_plugin_old_platform.platform:LinePlatform",
            "Chat over JSON lines",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "old-platform",
            "hermes_plugin_old_platform.settings:Settings",
            "Where the chat server is",
        ),
    ]
