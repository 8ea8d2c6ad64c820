"""@SUMMARY@."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_prompts() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.section:HouseRules",
            "Rules of the house",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.settings:Settings",
            "Rules of the house",
        ),
    ]
