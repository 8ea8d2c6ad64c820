"""Run commands through a program, and what remote terminals share."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_terminals() -> list[Offer]:
    return [
        Offer(
            "command",
            "hermes_plugin_remote.command:CommandBackend",
            "Run through a program that leads elsewhere (kubectl exec, lxc exec)",
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "remote",
            "hermes_plugin_remote.settings:RemoteSettings",
            "The program that the command terminal runs through",
            guard=True,
        )
    ]
