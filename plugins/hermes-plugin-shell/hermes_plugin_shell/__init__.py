"""Tools that run commands and keep processes in the background."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_tools() -> list[Offer]:
    return [Offer("shell", "hermes_plugin_shell.shell:Shell", "Run commands and watch processes")]


@hookimpl
def hermes_commands() -> list[Offer]:
    return [Offer("ps", "hermes_plugin_shell.ps:ps", "List what Hermes started and still runs")]


@hookimpl
def hermes_middleware() -> list[Offer]:
    return [
        Offer(
            "shell",
            "hermes_plugin_shell.news:News",
            "Tell the next turn which background processes ended",
            optional=True,
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [Offer("shell", "hermes_plugin_shell.settings:ShellSettings", "Commands of the model")]
