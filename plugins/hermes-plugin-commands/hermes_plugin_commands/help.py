"""``/help``: which commands there are."""

from __future__ import annotations

import click

from hermes import Command, CommandContext, Group, NotFound, PluginError, UsageError, command
from hermes_plugin_commands.words import line, table

ROLES = ("guest", "user", "owner")


@command(surfaces={"chat"}, role="guest")
@click.argument("name", default="", metavar="[COMMAND]")
async def help(context: CommandContext, name: str) -> None:
    """Say which commands there are, or how one is used."""
    name = name.removeprefix("/").lower()
    if name:
        found = _allowed(context, name)
        if found is None:
            raise NotFound(f"there is no command /{name}; /help lists them")
        await found.run(context, ["--help"], f"/{name}")
        return
    rows = [
        (f"/{each}", offered.summary)
        for each, offered in context.host.offers("commands").items()
        if "chat" in offered.surfaces
        and not (offered.hidden or offered.family)
        # An owner may give all of them, and need not wait for all to load.
        and (context.role == "owner" or _allowed(context, each) is not None)
    ]
    known = {name for name, _ in rows} | set(context.host.offers("commands"))
    rows += [
        (f"/{each}", line(summary, 80))
        for each, summary in context.host.slash.menu().items()
        if each not in known and (context.role == "owner" or _allowed(context, each) is not None)
    ]
    context.reply("\n".join(table(rows)))


def _allowed(context: CommandContext, name: str) -> Command | Group | None:
    """Give the command of that name, if this person may give it here."""
    offered = context.host.offers("commands").get(name)
    if offered is None and name not in context.host.slash.menu():
        return None
    try:
        found: Command | Group = context.host.slash.find(name)[1]
    except UsageError:
        return None
    except PluginError:
        if context.role == "owner":
            raise
        return None
    may = ROLES.index(context.role) >= ROLES.index(found.role)
    return found if may and "chat" in found.surfaces else None
