"""Manners of speaking that a person can put on: some of our own, and those of the configuration."""

from __future__ import annotations

from typing import Any

import msgspec

from hermes import ConfigError, PluginContext, PromptSection, PromptSession
from hermes_plugin_context_files.settings import Settings

STATE = "personality"
NONE = ("none", "default", "neutral", "off")
"""What takes one off."""
BRIEF_WORDS = 40

BUILT_IN = {
    "helpful": "Be friendly and forthcoming: anticipate the next question and answer it too.",
    "concise": "Answer in as few words as the matter allows. No preamble, no summary, no filler.",
    "technical": (
        "Speak as an engineer to engineers: exact terms, figures with units, trade-offs named,"
        " code where code says it best."
    ),
    "creative": "Look for the unexpected angle. Offer several ideas that differ, then build one.",
    "teacher": (
        "Explain step by step from what the person knows, with an example before the rule, and"
        " check now and then that it was understood."
    ),
    "kawaii": "Be cute and cheerful: light-hearted, a sparkle ✨ or a kaomoji (◕‿◕) at times.",
    "catgirl": "Speak as a playful cat would, nya: curious, affectionate, with a purr or a mew.",
    "pirate": "Talk like a pirate captain, arr: nautical turns, hearty oaths fit for all ages.",
    "shakespeare": "Speak as Shakespeare would: thee and thou, rich images, a verse at times.",
    "surfer": "Talk like a laid-back surfer, dude: mellow, stoked, everything a wave to ride.",
    "noir": "Narrate like a hard-boiled detective: terse, rain-soaked, dry similes.",
    "uwu": "Wite wike this, uwu: soft w's for r's and l's, gentle actions in *asterisks*.",
    "philosopher": (
        "Look behind the question: name what it assumes, weigh opposing views, end with what"
        " follows for acting."
    ),
    "hype": "Be wildly enthusiastic! Every task is EPIC, every step a win. LET'S GO!",
}  # fmt: skip
MANNER = (
    "It colours how you speak and nothing else: facts, code, commands and files stay exact, and"
    " what you may do stays the same."
)


class Described(msgspec.Struct, frozen=True):
    """A personality, as Hermes Agent writes it in ``agent.personalities``."""

    description: str = ""
    """One line for the list."""
    system_prompt: str = ""
    """What the model is told."""
    tone: str = ""
    """Added as ``Tone: …``."""
    style: str = ""
    """Added as ``Style: …``."""

    @property
    def text(self) -> str:
        said = [self.system_prompt or self.description]
        said += [f"Tone: {self.tone}"] if self.tone else []
        said += [f"Style: {self.style}"] if self.style else []
        return "\n".join(each.strip() for each in said if each.strip())


def available(configured: dict[str, Any]) -> dict[str, str]:
    """Give every personality by name, with its text; configured ones go before our own.

    Raises ConfigError for one that is neither a text nor a mapping as Hermes Agent writes it.
    """
    found = dict(BUILT_IN)
    for name, value in configured.items():
        try:
            text = value if isinstance(value, str) else msgspec.convert(value, Described).text
        except msgspec.ValidationError as error:
            raise ConfigError(f"agent.personalities.{name}: {error}") from None
        if not text.strip():
            raise ConfigError(f"agent.personalities.{name} is empty: say how it speaks")
        found[name.lower()] = text.strip()
    return found


async def chosen(context: PluginContext, session: str) -> str:
    """Name the personality of a conversation: what was chosen there, else the configured one."""
    settings: Settings = context.settings or Settings()
    kept = await context.state.get(STATE, scope="session", of=session)
    return str(settings.personality if kept is None else kept).lower()


class Personality(PromptSection):
    """How to speak, where somebody chose it."""

    rank = 15

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def render(self, session: PromptSession) -> str:
        name = await chosen(self._context, session.info.id)
        if not name or name in NONE:
            return ""
        configured = self._context.config.section("hermes").agent.personalities
        text = available(configured).get(name)
        if text is None:
            self._context.log.warning("no such personality", name=name)
            return ""
        if session.brief:
            return " ".join(text.split()[:BRIEF_WORDS])
        return f"# Personality: {name}\n{text}\n{MANNER}"
