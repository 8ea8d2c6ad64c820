"""Run commands on another machine over SSH."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_terminals() -> list[Offer]:
    return [Offer("ssh", "hermes_plugin_ssh.backend:SSHBackend", "Run on another machine over SSH")]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "ssh",
            "hermes_plugin_ssh.settings:SSHSettings",
            "The machine reached over SSH",
            guard=True,
        )
    ]


@hookimpl
def hermes_checks() -> list[Offer]:
    return [Offer("ssh", "hermes_plugin_ssh.checks:SSHCheck", "Whether the other machine answers")]
