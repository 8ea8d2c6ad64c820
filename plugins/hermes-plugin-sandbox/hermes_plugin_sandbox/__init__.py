"""Run commands on this machine in a sandbox."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_terminals() -> list[Offer]:
    return [
        Offer(
            "sandbox",
            "hermes_plugin_sandbox.backend:SandboxBackend",
            "Run on this machine, with nothing in reach but the workspace",
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "sandbox",
            "hermes_plugin_sandbox.settings:SandboxSettings",
            "Sandboxed commands",
            guard=True,
        )
    ]


@hookimpl
def hermes_checks() -> list[Offer]:
    return [
        Offer(
            "sandbox", "hermes_plugin_sandbox.checks:SandboxCheck", "Whether the sandbox can start"
        )
    ]
