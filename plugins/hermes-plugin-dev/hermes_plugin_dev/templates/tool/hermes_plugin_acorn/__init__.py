"""@SUMMARY@."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_tools() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.tools:convert",
            "Convert between units",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.settings:Settings",
            "How results are written",
        ),
    ]
