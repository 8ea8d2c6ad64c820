"""Long-term memory on this machine: what was said before, found by meaning or by words."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_memory() -> list[Offer]:
    return [Offer("local", f"{__name__}.local:LocalMemory", "What was said, found by meaning")]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [Offer("memory-local", f"{__name__}.settings:Settings", "How much is recalled")]
