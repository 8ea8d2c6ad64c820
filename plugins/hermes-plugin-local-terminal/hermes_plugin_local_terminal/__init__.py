"""Run commands on this machine."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_terminals() -> list[Offer]:
    return [
        Offer("local", "hermes_plugin_local_terminal.backend:LocalBackend", "Run on this machine")
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "local-terminal",
            "hermes_plugin_local_terminal.settings:LocalTerminalSettings",
            "Commands on this machine",
            guard=True,
        )
    ]


@hookimpl
def hermes_checks() -> list[Offer]:
    return [
        Offer(
            "local-terminal",
            "hermes_plugin_local_terminal.checks:LocalTerminalCheck",
            "Whether commands can run here",
        )
    ]
