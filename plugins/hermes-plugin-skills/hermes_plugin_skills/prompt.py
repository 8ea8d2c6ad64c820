"""The index of skills in the prompt: a name and a few words each, nothing more."""

from __future__ import annotations

import asyncio

from hermes import PluginContext, PromptSection, PromptSession
from hermes_plugin_skills.library import Library
from hermes_plugin_skills.skill import Skill

HEADING = (
    "# Skills\nInstructions for tasks. Before a task that one is for, read it: skill_view(name)."
    " skills_list finds more."
)
WORDS = 90
"""Characters of a description, where there is room."""
LEAST = 12
"""Beneath that a description says nothing: names alone stand there."""
ALIASES = {"terminal": "shell", "file": "files", "code_execution": "code", "delegation": "delegate"}
"""Hermes Agent's names of toolsets that have another one here."""


class SkillIndex(PromptSection):
    """Which skills a conversation can use. Reads files, changes nothing."""

    rank = 60

    def __init__(self, context: PluginContext) -> None:
        self._library = Library(context)
        self.cap = self._library.settings.index_chars + 500

    async def render(self, session: PromptSession) -> str:
        if session.brief or "skill_view" not in session.tools:
            return ""
        told = await asyncio.to_thread(self._index, session)
        session.sources.extend(["skill:descriptions"] if told else ())
        return told

    def _index(self, session: PromptSession) -> str:
        tools, sets = frozenset(session.tools), frozenset(session.toolsets)
        sets |= {theirs for theirs, ours in ALIASES.items() if ours in sets} | tools
        shown = [
            each.skill
            for each in self._library.usable(session.info.surface)
            if each.state == "active" and each.skill.fits_tools(tools, sets)
        ]
        if not shown:
            return ""
        return f"{HEADING}\n{written(shown, self._library.settings.index_chars)}"


def written(skills: list[Skill], room: int) -> str:
    """Write the index within *room* characters: first descriptions get shorter, then they go, then
    the last names do. The same skills always give the same text.
    """
    longest = max(len(skill.description) for skill in skills)
    low, high = LEAST, min(WORDS, longest)
    if len(_lines(skills, high)) <= room:
        return _lines(skills, high)
    if len(_lines(skills, low)) > room:
        names = ", ".join(skill.name for skill in skills)
        return names if len(names) <= room else names[:room].rpartition(",")[0] + ", …"
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if len(_lines(skills, middle)) <= room else (low, middle)
    return _lines(skills, low)


def _lines(skills: list[Skill], width: int) -> str:
    lines: list[str] = []
    category = ""
    for skill in skills:
        if skill.category != category:
            category = skill.category
            lines.append(f"{category}/")
        lines.append(f"{skill.name}: {_cut(skill.description, width)}")
    return "\n".join(lines)


def _cut(text: str, width: int) -> str:
    """Keep whole words of the beginning."""
    if len(text) <= width:
        return text
    kept = text[: width - 1].rpartition(" ")[0] or text[: width - 1]
    return kept.rstrip(" ,;:.") + "…"
