"""Learns from conversations: memories, skills and their repair, each tried before it counts."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_middleware() -> list[Offer]:
    target = "hermes_plugin_nudges.middleware:Nudges"
    return [Offer("nudges", target, "Looks back at conversations, and learns", optional=True)]


@hookimpl
def hermes_commands() -> list[Offer]:
    target = "hermes_plugin_nudges.commands:learning"
    return [Offer("learning", target, "What was learnt, from where, and whether it helped")]


@hookimpl
def hermes_settings() -> list[Offer]:
    target = "hermes_plugin_nudges.settings:Settings"
    return [Offer("nudges", target, "When Hermes looks back, and what that may cost")]
