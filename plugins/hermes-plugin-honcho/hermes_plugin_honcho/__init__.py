"""Honcho: a model of the person that deepens with every conversation; off until it is chosen."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_memory() -> list[Offer]:
    return [Offer("honcho", f"{__name__}.memory:HonchoMemory", "Models who you are, by Honcho")]


@hookimpl
def hermes_tools() -> list[Offer]:
    return [Offer("honcho", f"{__name__}.tools:HonchoTools", "Ask Honcho about the person")]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [Offer("honcho", f"{__name__}.settings:Settings", "Which Honcho, and what of it")]
