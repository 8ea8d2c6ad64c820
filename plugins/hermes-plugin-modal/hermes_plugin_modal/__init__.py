"""Run commands in a Modal sandbox."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_terminals() -> list[Offer]:
    return [Offer("modal", "hermes_plugin_modal.backend:ModalBackend", "Run in a Modal sandbox")]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "modal", "hermes_plugin_modal.settings:ModalSettings", "Sandboxes at Modal", guard=True
        )
    ]


@hookimpl
def hermes_checks() -> list[Offer]:
    return [Offer("modal", "hermes_plugin_modal.checks:ModalCheck", "Whether Modal lets us in")]
