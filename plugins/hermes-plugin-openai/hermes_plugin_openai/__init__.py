"""Models behind any OpenAI-compatible endpoint."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_providers() -> list[Offer]:
    return [
        Offer(
            "openai",
            "hermes_plugin_openai.provider:OpenAIProvider",
            "Any endpoint that speaks OpenAI's chat completions",
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "openai",
            "hermes_plugin_openai.settings:OpenAISettings",
            "Address, key and ways of an OpenAI-compatible endpoint",
        )
    ]
