"""Run commands in a Daytona sandbox."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_terminals() -> list[Offer]:
    return [
        Offer("daytona", "hermes_plugin_daytona.backend:DaytonaBackend", "Run in a Daytona sandbox")
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "daytona",
            "hermes_plugin_daytona.settings:DaytonaSettings",
            "Sandboxes at Daytona",
            guard=True,
        )
    ]


@hookimpl
def hermes_checks() -> list[Offer]:
    return [
        Offer("daytona", "hermes_plugin_daytona.checks:DaytonaCheck", "Whether Daytona lets us in")
    ]
