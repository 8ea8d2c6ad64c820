"""Record what a model said and play it back."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_providers() -> list[Offer]:
    target = "hermes_plugin_replay.provider:ReplayProvider"
    return [Offer("replay", target, "Play recorded answers back, offline: replay:FILE")]


@hookimpl
def hermes_middleware() -> list[Offer]:
    target = "hermes_plugin_replay.recorder:Recorder"
    return [Offer("recorder", target, "Record model calls to a file", optional=True)]


@hookimpl
def hermes_commands() -> list[Offer]:
    target = "hermes_plugin_replay.demo:demo"
    return [Offer("demo", target, "See a scripted task run with real tools", surfaces=("cli",))]


@hookimpl
def hermes_settings() -> list[Offer]:
    target = "hermes_plugin_replay.settings:ReplaySettings"
    return [Offer("replay", target, "What is recorded, and how closely a replay is checked")]
