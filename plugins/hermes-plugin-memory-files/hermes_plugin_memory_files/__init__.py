"""MEMORY.md and USER.md: what Hermes remembers, in files that a person can read and edit."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_memory() -> list[Offer]:
    return [
        Offer("files", f"{__name__}.files:MemoryFiles", "MEMORY.md and USER.md", always=True),
    ]


@hookimpl
def hermes_tools() -> list[Offer]:
    return [Offer("memory", f"{__name__}.tool:memory", "Keep and correct what is remembered")]


@hookimpl
def hermes_prompts() -> list[Offer]:
    return [Offer("memory", f"{__name__}.section:Snapshot", "What is always remembered")]


@hookimpl
def hermes_commands() -> list[Offer]:
    return [Offer("memory", f"{__name__}.commands:memory", "Show, correct and forget memories")]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [Offer("memory-files", f"{__name__}.settings:Settings", "How much is remembered")]
