"""Keeps secrets out of what models, people and files get to see."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_middleware() -> list[Offer]:
    return [
        Offer(
            "redaction",
            "hermes_plugin_redaction.middleware:Redaction",
            "Takes keys, tokens and passwords out of messages, tool output and replies",
        )
    ]


@hookimpl
def hermes_commands() -> list[Offer]:
    return [
        Offer(
            "secrets",
            "hermes_plugin_redaction.commands:secrets",
            "List, set and remove secrets, never showing one",
            surfaces=("cli",),
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "redaction",
            "hermes_plugin_redaction.settings:Settings",
            "What is taken for a secret",
            guard=True,
        )
    ]
