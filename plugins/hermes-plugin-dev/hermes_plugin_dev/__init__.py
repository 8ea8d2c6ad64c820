"""Begins, checks, installs, updates and removes plugins."""

from __future__ import annotations

from hermes import Offer, hookimpl

SHELL = ("cli",)


@hookimpl
def hermes_commands() -> list[Offer]:
    return [
        Offer("plugins new", "hermes_plugin_dev.new:new", "Begin a plugin", surfaces=SHELL),
        Offer("plugins check", "hermes_plugin_dev.check:check", "Check plugins", surfaces=SHELL),
        Offer("plugins install", "hermes_plugin_dev.install:install", "Install", surfaces=SHELL),
        Offer("plugins update", "hermes_plugin_dev.install:update", "Update", surfaces=SHELL),
        Offer("plugins remove", "hermes_plugin_dev.install:remove", "Remove", surfaces=SHELL),
        Offer("plugins search", "hermes_plugin_dev.install:search", "Search", surfaces=SHELL),
    ]
