"""Converts lengths and weights between units."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_tools() -> list[Offer]:
    return [
        Offer(
            "old-tool",
            "hermes_plugin_old_tool.tools:convert",
            "Convert between units",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "old-tool",
            "hermes_plugin_old_tool.settings:Settings",
            "How results are written",
        ),
    ]
