"""``/<skill>``: a person chooses a skill for a message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import click

from hermes import (
    Command,
    CommandContext,
    CommandFamily,
    PluginContext,
    Rest,
    UsageError,
    command,
)
from hermes_plugin_skills import reading
from hermes_plugin_skills.library import Library


class SkillCommands(CommandFamily):
    """A command for each skill that may be used."""

    def __init__(self, context: PluginContext) -> None:
        self._library = Library(context)

    def members(self) -> Mapping[str, str]:
        return {
            each.skill.name: each.skill.description.partition(". ")[0][:100]
            for each in self._library.usable()
        }

    def command(self, name: str) -> Command:
        library = self._library

        @command(name, surfaces={"chat"}, role="user")
        @click.argument("instruction", type=Rest(), default="")
        async def use(context: CommandContext, instruction: str) -> None:
            """Read this skill, then do as it says and as you say."""
            conversation = context.conversation
            if conversation is None:
                raise UsageError(f"/{name} is for chats")
            info = await conversation.load()
            skill = await asyncio.to_thread(library.find, name, info.surface)
            text = reading.message(skill, library.settings, info.id, instruction)
            await context.post(text, "queue")

        return use
