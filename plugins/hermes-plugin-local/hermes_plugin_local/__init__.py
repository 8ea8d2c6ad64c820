"""A small model in this process: no key, no server to run."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_providers() -> list[Offer]:
    return [
        Offer(
            "local",
            "hermes_plugin_local.provider:LocalProvider",
            "A small model in this process: no key, no server",
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "local",
            "hermes_plugin_local.settings:LocalSettings",
            "The model in this process: its file, threads, limits",
        )
    ]


@hookimpl
def hermes_commands() -> list[Offer]:
    return [
        Offer(
            "local",
            "hermes_plugin_local.commands:local",
            "Fetch the local model, or look at it",
            surfaces=("cli",),
        )
    ]


@hookimpl
def hermes_checks() -> list[Offer]:
    return [
        Offer("local", "hermes_plugin_local.checks:LocalCheck", "Whether the local model is there")
    ]
