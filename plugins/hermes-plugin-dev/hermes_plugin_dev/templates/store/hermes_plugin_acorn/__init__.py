"""@SUMMARY@."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_stores() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.store:make",
            "The journal in one file of lines",
        ),
    ]
