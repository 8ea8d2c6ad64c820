"""Stops a conversation that fails again and again in the same way."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_middleware() -> list[Offer]:
    return [
        Offer(
            "failure-tracking",
            "hermes_plugin_failure_tracking.tracking:FailureTracking",
            "Blocks a conversation after three failures that trying again cannot mend",
        )
    ]
