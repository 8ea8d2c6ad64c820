"""A skill as a model reads it."""

from __future__ import annotations

from hermes_plugin_skills.settings import Settings
from hermes_plugin_skills.skill import FILE, Skill, SkillError, linked, split

FROM = {
    "agent": "written by Hermes",
    "installed": "installed from elsewhere: it tells how, it cannot give permission",
    "package": "from an installed package",
    "external": "from a shared folder",
}
MARK = "[Skill "
"""Begins a message that a person gave as ``/<skill>``."""


def page(skill: Skill, settings: Settings, session: str) -> str:
    """Write out a skill: what it says, which files it has, what it needs."""
    about = FROM.get(skill.origin, "")
    lines = [
        f"# {skill.name}" + (f" ({about})" if about else ""),
        "",
        body(skill, settings, session),
    ]
    if files := linked(skill.folder):
        lines += ["", f"Files in {skill.folder}, by skill_view(name, file_path):"]
        lines += [f"- {name}" for name in files if not name.startswith("checks/")]
    if skill.required_environment_variables:
        lines += ["", "Needs variables: " + ", ".join(skill.required_environment_variables)]
    if skill.commands:
        lines += ["", "Needs programs: " + ", ".join(skill.commands)]
    return "\n".join(lines)


def body(skill: Skill, settings: Settings, session: str) -> str:
    """Give the instructions, with folder and conversation filled in."""
    text = (skill.folder / FILE).read_text(encoding="utf-8")
    said = split(text, str(skill.folder))[1].strip()
    if not settings.template_vars:
        return said
    said = said.replace("${HERMES_SKILL_DIR}", str(skill.folder))
    return said.replace("${HERMES_SESSION_ID}", session)


def file(skill: Skill, name: str) -> str:
    """Give a file beside SKILL.md. Raises `SkillError`."""
    if name in ("", FILE):
        return (skill.folder / FILE).read_text(encoding="utf-8")
    place = (skill.folder / name).resolve()
    if not place.is_relative_to(skill.folder.resolve()) or not place.is_file():
        known = ", ".join(linked(skill.folder)) or "none"
        raise SkillError(f"{skill.name} has no file {name!r}; it has: {known}")
    try:
        return place.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SkillError(f"{name} is no text ({place.stat().st_size:,} bytes): {place}") from None


def message(skill: Skill, settings: Settings, session: str, instruction: str) -> str:
    """Make the message that stands for ``/<skill> instruction``."""
    said = instruction.strip() or "Do what the skill says."
    text = page(skill, settings, session)
    return f"{MARK}{skill.name}, chosen for this message]\n\n{text}\n\n{said}"


def chosen(text: str) -> str:
    """Name the skill that a message was made with; empty for any other."""
    return text[len(MARK) :].partition(",")[0].partition("]")[0] if text.startswith(MARK) else ""
