"""Gives each conversation's commands a home of their own."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_terminals() -> list[Offer]:
    return [
        Offer(
            "old-terminal",
            "hermes_plugin_old_terminal.rooms:Rooms",
            "A home for each conversation",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "old-terminal",
            "hermes_plugin_old_terminal.settings:Settings",
            "What runs commands",
        ),
    ]
