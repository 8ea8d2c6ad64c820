"""Sections of the system prompt (§5.5). Rendered once per conversation and recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

from hermes.session import SessionInfo


class PromptSession(msgspec.Struct, frozen=True):
    """What a section may know of the conversation it is rendered for."""

    info: SessionInfo
    tools: tuple[str, ...] = ()
    """Names of the tools that the model gets."""
    brief: bool = False
    """A small model: persona and question are all it can take. Most sections then say nothing."""
    toolsets: tuple[str, ...] = ()
    """Names of the toolsets that they come from."""
    sources: list[str] = []
    """A section adds whose words it tells where they are not its plugin's own (``file:AGENTS.md``):
    what the model is asked to do may be their idea, and a question says so (§10)."""


class PromptSection(ABC):
    """A part of the system prompt.

    The prefix of every request must stay the same to the byte, so a section never says the model's
    name or the time of day. What changes by the turn goes beside the user's message.
    """

    rank: int = 50
    """Order: identity 10, guidance 30, project 50, memory 70."""
    cap: int = 20_000
    """Characters; what is over is cut in the middle, and says so."""

    @abstractmethod
    async def render(self, session: PromptSession) -> str:
        """Give the text, or an empty string. Raising leaves the section out and is reported."""
