"""Run commands in a Singularity or Apptainer container."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_terminals() -> list[Offer]:
    return [
        Offer(
            "singularity",
            "hermes_plugin_singularity.backend:SingularityBackend",
            "Run in an Apptainer (Singularity) container",
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "singularity",
            "hermes_plugin_singularity.settings:SingularitySettings",
            "Apptainer containers on this machine",
            guard=True,
        )
    ]


@hookimpl
def hermes_checks() -> list[Offer]:
    return [
        Offer(
            "singularity",
            "hermes_plugin_singularity.checks:SingularityCheck",
            "Whether Apptainer is there",
        )
    ]
