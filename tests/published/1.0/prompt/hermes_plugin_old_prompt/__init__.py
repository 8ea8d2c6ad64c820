"""Rules of the house in the system prompt."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_prompts() -> list[Offer]:
    return [
        Offer(
            "old-prompt",
            "hermes_plugin_old_prompt.section:HouseRules",
            "Rules of the house",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "old-prompt",
            "hermes_plugin_old_prompt.settings:Settings",
            "Rules of the house",
        ),
    ]
