"""@SUMMARY@."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_platforms() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.platform:LinePlatform",
            "Chat over JSON lines",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.settings:Settings",
            "Where the chat server is",
        ),
    ]
