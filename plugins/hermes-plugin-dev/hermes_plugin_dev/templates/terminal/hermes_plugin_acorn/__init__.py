"""@SUMMARY@."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_terminals() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.rooms:Rooms",
            "A home for each conversation",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.settings:Settings",
            "What runs commands",
        ),
    ]
