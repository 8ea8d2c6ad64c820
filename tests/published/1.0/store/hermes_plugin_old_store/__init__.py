"""Keeps the journal in one file of lines."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_stores() -> list[Offer]:
    return [
        Offer(
            "old-store",
            "hermes_plugin_old_store.store:make",
            "The journal in one file of lines",
        ),
    ]
