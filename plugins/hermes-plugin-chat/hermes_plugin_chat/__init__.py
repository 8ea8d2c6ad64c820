"""Talk to Hermes in the terminal."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_commands() -> list[Offer]:
    return [Offer("chat", "hermes_plugin_chat.command:chat", "Talk to Hermes", surfaces=("cli",))]
