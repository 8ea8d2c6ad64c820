"""@SUMMARY@."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_memory() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.memory:FileMemory",
            "Files, recalled by words",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.settings:Settings",
            "How much is remembered",
        ),
    ]
