"""Skills: instructions that are read when a task needs them, written by people and by Hermes."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_tools() -> list[Offer]:
    target = "hermes_plugin_skills.tools:TOOLS"
    return [Offer("skills", target, "List, read and write skills")]


@hookimpl
def hermes_prompts() -> list[Offer]:
    target = "hermes_plugin_skills.prompt:SkillIndex"
    return [Offer("skills", target, "Which skills there are, a line each")]


@hookimpl
def hermes_middleware() -> list[Offer]:
    target = "hermes_plugin_skills.outcomes:Outcomes"
    return [Offer("skills", target, "Counts how turns ended that used a skill", optional=True)]


@hookimpl
def hermes_commands() -> list[Offer]:
    family = "hermes_plugin_skills.slash:SkillCommands"
    commands = "hermes_plugin_skills.commands:skills"
    return [
        Offer("skills", commands, "List skills, bring them in, say which may be used"),
        Offer("skill", family, "/<skill>: use a skill", family=True, surfaces=("chat",)),
    ]


@hookimpl
def hermes_checks() -> list[Offer]:
    target = "hermes_plugin_skills.checks:SkillsCheck"
    return [Offer("skills", target, "Are there skills that are not used")]


@hookimpl
def hermes_settings() -> list[Offer]:
    target = "hermes_plugin_skills.settings:Settings"
    return [Offer("skills", target, "Where skills are, and which are used", guard=True)]
