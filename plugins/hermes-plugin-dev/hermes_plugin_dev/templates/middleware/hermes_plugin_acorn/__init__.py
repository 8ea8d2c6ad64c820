"""@SUMMARY@."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_middleware() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.pace:Pace",
            "Turns that a minute may have",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.settings:Settings",
            "Turns a minute",
        ),
    ]
