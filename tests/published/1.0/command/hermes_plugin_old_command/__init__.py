"""Keeps short notes, in the shell and in chats."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_commands() -> list[Offer]:
    return [
        Offer(
            "old-command",
            "hermes_plugin_old_command.commands:notes",
            "Keep short notes",
        ),
    ]
