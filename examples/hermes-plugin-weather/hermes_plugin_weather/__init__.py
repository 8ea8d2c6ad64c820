"""Tells the weather, asked by a model or by a person."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_tools() -> list[Offer]:
    return [Offer("weather", "hermes_plugin_weather.tools:forecast", "Tell the weather")]


@hookimpl
def hermes_commands() -> list[Offer]:
    return [Offer("weather", "hermes_plugin_weather.commands:weather", "Tell the weather")]


@hookimpl
def hermes_checks() -> list[Offer]:
    return [
        Offer(
            "weather", "hermes_plugin_weather.check:ServiceCheck", "Asks the weather service once"
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [Offer("weather", "hermes_plugin_weather.settings:Settings", "Where, and in which unit")]
