"""Looks whether there is room on the disk."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_checks() -> list[Offer]:
    return [
        Offer(
            "old-check",
            "hermes_plugin_old_check.check:RoomCheck",
            "Room on the disk",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "old-check",
            "hermes_plugin_old_check.settings:Settings",
            "How much room is enough",
        ),
    ]
