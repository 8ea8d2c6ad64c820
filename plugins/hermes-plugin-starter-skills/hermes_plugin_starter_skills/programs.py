"""Says which of the starter skills lack a program on this machine."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from hermes import Check, Finding, PluginContext
from hermes_plugin_skills.library import skill_files
from hermes_plugin_skills.skill import read

SKILLS = Path(__file__).with_name("skills")


class Programs(Check):
    """Looks for what each skill says it needs; a skill without it is of less use, not broken."""

    def __init__(self, context: PluginContext) -> None:
        pass

    async def check(self) -> tuple[Finding, ...]:
        missing = await asyncio.to_thread(lacking)
        if not missing:
            return (Finding("ok", "the starter skills have the programs they use"),)
        return tuple(
            Finding("warning", f"{name}: not here: {', '.join(programs)}", "install what you need")
            for name, programs in missing.items()
        )


def lacking() -> dict[str, list[str]]:
    """Give the programs that are not there, by skill."""
    found: dict[str, list[str]] = {}
    for file in skill_files(SKILLS):
        skill = read(file.parent, origin="package")
        if programs := [each for each in skill.commands if shutil.which(each) is None]:
            found[skill.name] = programs
    return found
