"""The tools of skills: list them, read one, write one."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal, TypeAlias

from hermes import KEYED, READ, Lane, Question, Tool, ToolCall, ToolResult, tool
from hermes_plugin_skills import reading
from hermes_plugin_skills.library import Library
from hermes_plugin_skills.skill import Skill, SkillError
from hermes_plugin_skills.workshop import By, Candidate, Workshop

Action: TypeAlias = Literal["create", "patch", "edit", "delete", "write_file", "remove_file"]
TRIAL = "trial"
"""State of a conversation: the candidate that it tries, instead of the skill that is live; ``*``
for one that looks skills over. What these read is no use of a skill."""
LANE = Lane("skills")
SHARED = Lane("skills", shared=True)


@tool(effect=READ, needs=frozenset(), lane=SHARED, paths=lambda arguments: (), limit=20_000)
async def skills_list(
    category: Annotated[str, "Only this one"] = "",
    query: Annotated[str, "Only those with these words"] = "",
    *,
    call: ToolCall,
) -> str:
    """List skills (instructions for tasks) with what each is for; also those not in the prompt."""
    library = Library(call.context)
    listed = await asyncio.to_thread(library.usable, call.request.session.surface)
    wanted = query.lower().split()
    lines = [
        f"{f'{each.skill.category}/' if each.skill.category else ''}{each.skill.name}:"
        f" {each.skill.description}"
        for each in listed
        if (not category or each.skill.category == category)
        and all(word in f"{each.skill.name} {each.skill.description}".lower() for word in wanted)
    ]
    return "\n".join(lines) or "There is no such skill."


@tool(effect=READ, needs=frozenset(), lane=SHARED, paths=lambda arguments: (), limit=60_000)
async def skill_view(
    name: str,
    file_path: Annotated[str, "A file of it, as references/x.md"] = "",
    *,
    call: ToolCall,
) -> ToolResult:
    """Read a skill before doing what it is for; with file_path, a file that it names."""
    library = Library(call.context)
    trial = await call.context.state.get(TRIAL, scope="session", of=call.request.session.id)
    text = await asyncio.to_thread(_viewed, library, call, name, file_path, str(trial or ""))
    return ToolResult(text, source=f"skill:{name}")


def _viewed(library: Library, call: ToolCall, name: str, file: str, trial: str) -> str:
    session = call.request.session
    candidate = Workshop(library).candidate(name)
    if candidate is not None and (trial == name or candidate.session == session.id):
        skill = Workshop(library).skill(candidate)
        note = "" if trial == name else "[In quarantine: not used by other conversations yet]\n"
        return note + _read(library, skill, file, session.id)
    skill = library.find(name, session.surface)
    if library.keeps and not trial:
        library.usage.used(skill.name, call.request.turn)
    return _read(library, skill, file, session.id)


def _read(library: Library, skill: Skill, file: str, session: str) -> str:
    if file:
        return reading.file(skill, file)
    return reading.page(skill, library.settings, session)


@tool(effect=KEYED, needs=frozenset(), lane=LANE, paths=lambda arguments: ())
async def skill_manage(
    action: Action,
    name: Annotated[str, "small-letters-and-hyphens"],
    content: Annotated[str, "Whole SKILL.md: front matter (name, description), steps"] = "",
    old_string: str = "",
    new_string: str = "",
    replace_all: bool = False,
    category: str = "",
    file_path: Annotated[str, "In references/ templates/ scripts/ assets/ checks/"] = "",
    file_content: str = "",
    absorbed_into: Annotated[str, "With delete: the skill that covers it now"] = "",
    *,
    call: ToolCall,
) -> ToolResult:
    """Write down how a task is done, for next time, or mend a skill that led wrong. What you write
    is used once its check passed or the person accepts it; delete archives.
    """
    library, request = Library(call.context), call.request
    if not library.keeps:
        return ToolResult.error("Not kept: this conversation is incognito.")
    workshop = Workshop(library)
    who = call.authority
    if who.role == "guest":
        return ToolResult.error("Guests do not change skills.")
    by = By(session=request.session.id, turn=request.turn, person=who.person, role=who.role)

    def change() -> Candidate | None:
        match action:
            case "create":
                return workshop.create(name, content, by=by, category=category)
            case "edit":
                return workshop.edit(name, content, by=by)
            case "patch":
                return workshop.patch(
                    name, old_string, new_string, by=by, file=file_path, every=replace_all
                )
            case "write_file":
                return workshop.write_file(name, file_path, file_content, by=by)
            case "remove_file":
                return workshop.remove_file(name, file_path, by=by)
            case "delete":
                return None

    try:
        if action == "delete":
            return await _delete(workshop, name, absorbed_into, call)
        candidate = await asyncio.to_thread(change)
    except SkillError as error:
        return ToolResult.error(str(error))
    assert candidate is not None
    return await _settled(workshop, candidate, call)


async def _settled(workshop: Workshop, candidate: Candidate, call: ToolCall) -> ToolResult:
    """Say what becomes of a candidate; ask where it changes what a person wrote."""
    name = candidate.name
    notes = "".join(f"\nLook at: {found}" for found in candidate.findings[:5])
    if not candidate.of_person:
        return ToolResult(f"Kept in quarantine: {name}. It is used once its check passed.{notes}")
    if not call.authority.can_ask:
        return ToolResult(
            f"{name} is a person's: your change is kept as a proposal that they can accept"
            f" (hermes skills accept {name}). The skill itself is as it was.{notes}"
        )
    shown = await asyncio.to_thread(workshop.difference, candidate)
    question = Question(
        f"Change the skill {name}, which you wrote or installed?\n{shown}{notes}", ("yes", "no")
    )
    reply = await call.ask(question)
    if reply.choice == "yes":
        await asyncio.to_thread(workshop.promote, name, person=reply.by or call.authority.person)
        return ToolResult(f"{name} is changed.")
    await asyncio.to_thread(workshop.discard, name)
    return ToolResult.error(f"The person does not want {name} changed. {reply.text}".strip())


async def _delete(workshop: Workshop, name: str, into: str, call: ToolCall) -> ToolResult:
    if await asyncio.to_thread(workshop.candidate, name):
        await asyncio.to_thread(workshop.discard, name)
        return ToolResult(f"{name} is out of quarantine.")
    live = await asyncio.to_thread(workshop.live, name)
    if live is None:
        return ToolResult.error(f"there is no skill {name!r}")
    if live.origin in ("package", "external"):
        return ToolResult.error(f"{name} does not lie in this home; a person can disable it")
    why = f"covered by {into}" if into else "no longer wanted"
    if live.origin != "agent":
        reply = await call.ask(Question(f"Archive your skill {name} ({why})?", ("yes", "no")))
        if reply.choice != "yes":
            return ToolResult.error(f"{name} is a person's and stays as it is.")
    await asyncio.to_thread(workshop.archive, name, why=why)
    return ToolResult(f"{name} is archived; hermes skills restore {name} brings it back.")


TOOLS: list[Tool] = [skills_list, skill_view, skill_manage]
