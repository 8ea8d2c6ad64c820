"""Decides who may talk to Hermes, and as whom."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_middleware() -> list[Offer]:
    return [
        Offer(
            "access",
            "hermes_plugin_access.access:Access",
            "Lets people in by list or pairing, and says who they are",
        )
    ]


@hookimpl
def hermes_commands() -> list[Offer]:
    return [
        Offer("pairing", "hermes_plugin_access.commands:pairing", "Let people in, or out"),
        Offer("link", "hermes_plugin_access.commands:link", "Make several chats one person's"),
        Offer("whoami", "hermes_plugin_access.commands:whoami", "Say who you are here"),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    module = "hermes_plugin_access.settings"
    return [
        Offer("access", f"{module}:Settings", "Who may talk to Hermes", guard=True),
        Offer("session_reset", f"{module}:SessionReset", "When a conversation ends by itself"),
        Offer("group_sessions_per_user", f"{module}:Switch", "As access.group_sessions_per_user"),
        Offer("thread_sessions_per_user", f"{module}:Switch", "As access.thread_sessions_per_user"),
        Offer(
            "unauthorized_dm_behavior",
            f"{module}:Choice",
            "As access.unauthorized_dm_behavior",
            guard=True,
        ),
    ]
