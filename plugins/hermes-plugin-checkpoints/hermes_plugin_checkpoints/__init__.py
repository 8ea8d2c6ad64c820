"""Remembers files before the agent changes them, so that it can be undone."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_middleware() -> list[Offer]:
    return [
        Offer(
            "checkpoints",
            "hermes_plugin_checkpoints.middleware:Checkpoints",
            "Remembers files before a tool changes them",
            optional=True,
        )
    ]


@hookimpl
def hermes_observers() -> list[Offer]:
    return [
        Offer(
            "checkpoints",
            "hermes_plugin_checkpoints.forgetting:Forgetting",
            "Forgets the files of what is forgotten",
        )
    ]


@hookimpl
def hermes_commands() -> list[Offer]:
    return [
        Offer(
            "rollback",
            "hermes_plugin_checkpoints.commands:rollback",
            "Undo what the agent did to files in its last turns",
            surfaces=("chat",),
        ),
        Offer(
            "checkpoints",
            "hermes_plugin_checkpoints.commands:checkpoints",
            "Show and prune what is remembered of files",
            surfaces=("cli",),
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "checkpoints",
            "hermes_plugin_checkpoints.settings:Settings",
            "What is remembered of files, and how long",
        )
    ]
