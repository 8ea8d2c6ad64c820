"""``/personality``: how Hermes speaks in this conversation."""

from __future__ import annotations

import click

from hermes import CommandContext, NotFound, UsageError, command
from hermes_plugin_context_files.personalities import NONE, STATE, available, chosen

PLUGIN = "context-files"


@command(role="user")
@click.argument("name", default="", metavar="[NAME|none]")
@click.option("--global", "everywhere", is_flag=True, help="The owner: for new conversations too.")
async def personality(context: CommandContext, name: str, everywhere: bool) -> None:
    """List the personalities, or put one on. From a shell: for new conversations."""
    known = available(context.host.config.section("hermes").agent.personalities)
    wanted = name.lower()
    if not wanted:
        await _list(context, known)
        return
    if wanted not in known and wanted not in NONE:
        raise NotFound(f"no personality {name!r}; there are: {', '.join(sorted(known))}, none")
    wanted = "" if wanted in NONE else wanted
    if everywhere or context.conversation is None:
        if context.role != "owner":
            raise UsageError("--global is for the owner of this machine")
        context.host.config.set(f"{PLUGIN}.personality", wanted)
        context.reply(f"New conversations begin with {wanted or 'no personality'}.")
    if context.conversation is not None:
        info = await context.conversation.load()
        await (
            (await context.runtime())
            .host.context(PLUGIN)
            .state.set(STATE, wanted, scope="session", of=info.id)
        )
        await context.conversation.reprompt(f"personality {wanted or 'none'}")
        context.reply(f"This conversation goes on with {wanted or 'no personality'}.")


async def _list(context: CommandContext, known: dict[str, str]) -> None:
    current = context.host.config.section(PLUGIN).personality
    if context.session is not None:
        runtime = await context.runtime()
        current = await chosen(runtime.host.context(PLUGIN), context.session.id)
    for name, text in sorted(known.items()):
        line = " ".join(text.split())
        mark = "*" if name == current else " "
        context.reply(f"{mark} {name}: {line if len(line) <= 70 else line[:69] + '…'}")
    context.reply("\n/personality NAME puts one on, /personality none takes it off.")
