"""Going from one conversation to another, and naming them."""

from __future__ import annotations

import click

from hermes import CommandContext, Rest, command
from hermes_plugin_commands import journal
from hermes_plugin_commands.here import conversation
from hermes_plugin_commands.words import age, line, short, table

LONGEST = 100
"""Characters of a title, as in Hermes Agent."""
RECENT = 10


@command(surfaces={"chat"}, role="user")
@click.argument("title", type=Rest(), default="")
async def new(context: CommandContext, title: str) -> None:
    """Begin a new conversation; this one can be gone on with by /resume."""
    await _begin(context, title)


@command(surfaces={"chat"}, role="user")
@click.argument("title", type=Rest(), default="")
async def reset(context: CommandContext, title: str) -> None:
    """Begin a new conversation; this one can be gone on with by /resume."""
    await _begin(context, title)


async def _begin(context: CommandContext, title: str) -> None:
    fresh = await conversation(context).new(line(title, LONGEST))
    context.switch(fresh.info.id)
    context.reply("A new conversation." if not title else f"A new conversation: {fresh.info.title}")


@command(surfaces={"chat"}, role="user")
@click.argument("which", type=Rest(), default="", metavar="[ID|TITLE]")
async def resume(context: CommandContext, which: str) -> None:
    """Go on with an earlier conversation; without a name, list the last ones."""
    runtime = await context.runtime()
    authority = context.authority
    if not which:
        found = await runtime.store.sessions(person=authority.memory, limit=RECENT)
        rows = [
            (short(info.id), age(info.updated), await journal.named(runtime.store, info))
            for info in found
        ]
        context.reply("\n".join(table(rows)) if rows else "There are no conversations yet.")
        current = context.session.id if context.session is not None else ""
        titles = [info.title for info in found]
        context.pick("resume", [
            info.title if info.title and titles.count(info.title) == 1 else short(info.id)
            for info in found if info.id != current
        ])  # fmt: skip
        return
    # Where a group shares the conversation, only the place's own: what was said to one of them
    # alone is not for all.
    any_of = context.role == "owner" and not authority.shared
    info = await runtime.find(which, person=None if any_of else authority.memory)
    here = context.conversation
    if context.gateway is not None and here is not None and here.key is not None:
        await (await runtime.conversation(id=info.id)).bind(here.key)
    context.switch(info.id)
    name = await journal.named(runtime.store, info)
    context.reply(f"Going on with {short(info.id)} {name}".rstrip())


@command(surfaces={"chat"}, role="user")
@click.argument("text", type=Rest(), default="", metavar="[TITLE]")
async def title(context: CommandContext, text: str) -> None:
    """Show or set the title of this conversation."""
    here = conversation(context)
    if text:
        await here.rename(line(text, LONGEST))
    context.reply(f"Title: {here.info.title}" if here.info.title else "It has no title yet.")


@command("quit", surfaces={"chat"}, role="user")
async def leave(context: CommandContext) -> None:
    """Leave the chat."""
    context.leave()
