"""SOUL.md, AGENTS.md and their like in the prompt."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_prompts() -> list[Offer]:
    return [
        Offer("identity", f"{__name__}.sections:Identity", "Who Hermes is: SOUL.md, or its own"),
        Offer("personality", f"{__name__}.personalities:Personality", "How Hermes speaks"),
        Offer("guidance", f"{__name__}.sections:Guidance", "How to work with tools"),
        Offer("project", f"{__name__}.sections:Project", "What the project says: AGENTS.md, …"),
        Offer("started", f"{__name__}.sections:Started", "The day the conversation began"),
    ]


@hookimpl
def hermes_middleware() -> list[Offer]:
    summary = "What subfolders say, when a tool works there"
    return [Offer("subfolders", f"{__name__}.subfolders:Subfolders", summary, optional=True)]


@hookimpl
def hermes_commands() -> list[Offer]:
    return [Offer("personality", f"{__name__}.command:personality", "How Hermes speaks here")]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [Offer("context-files", f"{__name__}.settings:Settings", "Which files are read")]
