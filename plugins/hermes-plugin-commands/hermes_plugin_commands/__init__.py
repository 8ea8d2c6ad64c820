"""Sessions, models, settings and tools, as `hermes …` and `/…`."""

from __future__ import annotations

from hermes import Offer, hookimpl

CHAT = ("chat",)


@hookimpl
def hermes_commands() -> list[Offer]:
    return [
        Offer("config", "hermes_plugin_commands.config:config", "Show and change settings"),
        Offer("model", "hermes_plugin_commands.model:model", "List the models, or choose one"),
        Offer(
            "send",
            "hermes_plugin_commands.send:send",
            "Send a message to a chat",
            surfaces=("cli",),
        ),
        Offer("sessions", "hermes_plugin_commands.sessions:sessions", "List, show, export, delete"),
        Offer("tools", "hermes_plugin_commands.tools:tools", "List tools, switch toolsets"),
        *(
            Offer(name, f"hermes_plugin_commands.{target}", summary, surfaces=CHAT)
            for name, target, summary in (
                ("help", "help:help", "Say which commands there are"),
                ("new", "places:new", "Begin a new conversation"),
                ("reset", "places:reset", "Begin a new conversation"),
                ("resume", "places:resume", "Go on with an earlier conversation"),
                ("quit", "places:leave", "Leave the chat"),
                ("title", "places:title", "Show or set the title"),
                ("undo", "turns:undo", "Take back the last turn, or the last N"),
                ("retry", "turns:retry", "Send the last message again"),
                ("stop", "turns:stop", "Stop what runs"),
                ("status", "status:status", "Say which conversation this is"),
                ("usage", "status:usage", "Say what this conversation has used"),
                ("approve", "messenger:approve", "Allow what a question asks about"),
                ("deny", "messenger:deny", "Answer a question with no"),
                ("queue", "messenger:queue", "Send a message that waits for the turn"),
                ("steer", "messenger:steer", "Add a message to the running turn"),
                ("busy", "messenger:busy", "What a message does while a turn runs"),
                ("sethome", "messenger:sethome", "Make this chat the platform's home"),
                ("platforms", "messenger:platforms", "Say how each platform is"),
            )
        ),
        *(
            Offer(name, f"hermes_plugin_commands.{target}", summary, hidden=True, surfaces=CHAT)
            for name, target, summary in (
                ("exit", "places:leave", "Leave the chat"),
                ("q", "messenger:queue", "Send a message that waits for the turn"),
                ("set-home", "messenger:sethome", "Make this chat the platform's home"),
                ("start", "messenger:start", "Say hello"),
            )
        ),
    ]
