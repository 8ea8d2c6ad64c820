"""Writes figures of the journal for whatever watches this machine."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_services() -> list[Offer]:
    return [
        Offer(
            "old-service",
            "hermes_plugin_old_service.service:Figures",
            "Figures of the journal",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "old-service",
            "hermes_plugin_old_service.settings:Settings",
            "When figures are written",
        ),
    ]
