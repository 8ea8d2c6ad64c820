"""Writes a line for each turn that ends."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_observers() -> list[Offer]:
    return [
        Offer(
            "old-observer",
            "hermes_plugin_old_observer.observer:TurnLog",
            "A line for each turn",
        ),
    ]
