"""Remembers what people said, in files."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_memory() -> list[Offer]:
    return [
        Offer(
            "old-memory",
            "hermes_plugin_old_memory.memory:FileMemory",
            "Files, recalled by words",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "old-memory",
            "hermes_plugin_old_memory.settings:Settings",
            "How much is remembered",
        ),
    ]
