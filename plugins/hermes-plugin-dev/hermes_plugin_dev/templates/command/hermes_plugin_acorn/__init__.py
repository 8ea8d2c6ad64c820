"""@SUMMARY@."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_commands() -> list[Offer]:
    return [
        Offer(
            "acorn",
            "hermes_plugin_acorn.commands:notes",
            "Keep short notes",
        ),
    ]
