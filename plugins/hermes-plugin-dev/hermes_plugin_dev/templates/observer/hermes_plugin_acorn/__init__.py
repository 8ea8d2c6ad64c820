"""@SUMMARY@."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_observers() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.observer:TurnLog",
            "A line for each turn",
        ),
    ]
