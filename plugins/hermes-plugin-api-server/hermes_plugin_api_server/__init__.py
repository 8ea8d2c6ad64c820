"""Hermes behind an OpenAI-compatible HTTP API."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_services() -> list[Offer]:
    return [
        Offer(
            "api-server",
            "hermes_plugin_api_server.service:APIServer",
            "Serves conversations over OpenAI's HTTP API",
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "api-server",
            "hermes_plugin_api_server.settings:APIServerSettings",
            "Address, key and limits of the HTTP API",
            guard=True,
        )
    ]
