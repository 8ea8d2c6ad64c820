"""@SUMMARY@."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_providers() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.provider:ChatProvider",
            "Chat completions over HTTP",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.settings:Settings",
            "Where the models are",
        ),
    ]
