"""Run commands in a Docker container."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_terminals() -> list[Offer]:
    return [
        Offer("docker", "hermes_plugin_docker.backend:DockerBackend", "Run in a Docker container")
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "docker",
            "hermes_plugin_docker.settings:DockerSettings",
            "Docker containers",
            guard=True,
        )
    ]


@hookimpl
def hermes_checks() -> list[Offer]:
    return [
        Offer("docker", "hermes_plugin_docker.checks:DockerCheck", "Whether the daemon answers")
    ]
