"""``hermes doctor``: skills that lie there and are not used, and what waits for a person."""

from __future__ import annotations

import asyncio

from hermes import Check, Finding, PluginContext
from hermes_plugin_skills.library import WHY, Library
from hermes_plugin_skills.skill import SkillError
from hermes_plugin_skills.workshop import Workshop


class SkillsCheck(Check):
    """Reads, and changes nothing."""

    def __init__(self, context: PluginContext) -> None:
        self._library = Library(context)

    async def check(self) -> tuple[Finding, ...]:
        return await asyncio.to_thread(self._look)

    def _look(self) -> tuple[Finding, ...]:
        try:
            every = self._library.all()
            waiting = Workshop(self._library).candidates()
        except SkillError as error:
            return (Finding("error", str(error)),)
        found = [
            Finding("warning", f"skill {each.skill.name} is not used", WHY[each.state])
            for each in every
            if each.state in ("untrusted", "changed")
        ]
        if waiting:
            names = ", ".join(each.name for each in waiting)
            found.append(Finding("ok", f"in quarantine: {names}", "hermes skills list"))
        return tuple(found) or (Finding("ok", f"{len(every)} skills"),)
