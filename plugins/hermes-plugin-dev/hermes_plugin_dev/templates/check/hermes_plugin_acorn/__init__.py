"""@SUMMARY@."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_checks() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.check:RoomCheck",
            "Room on the disk",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.settings:Settings",
            "How much room is enough",
        ),
    ]
