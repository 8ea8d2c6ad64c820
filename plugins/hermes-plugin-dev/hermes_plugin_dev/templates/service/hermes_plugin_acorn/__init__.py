"""@SUMMARY@."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_services() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.service:Figures",
            "Figures of the journal",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.settings:Settings",
            "When figures are written",
        ),
    ]
