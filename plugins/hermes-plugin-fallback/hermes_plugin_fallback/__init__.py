"""Asks another model when one fails."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_middleware() -> list[Offer]:
    return [
        Offer(
            "fallback",
            "hermes_plugin_fallback.fallback:Fallback",
            "Asks the next model of a chain when one fails",
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer("fallback", "hermes_plugin_fallback.settings:Section", "The chain, and how it rests"),
        Offer(
            "fallback_providers",
            "hermes_plugin_fallback.settings:Providers",
            "The chain, as Hermes Agent writes it",
        ),
        Offer(
            "fallback_model",
            "hermes_plugin_fallback.settings:Single",
            "A chain of one, as Hermes Agent once wrote it",
        ),
    ]
