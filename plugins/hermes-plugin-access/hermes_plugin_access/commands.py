"""``hermes pairing``, ``/link`` and ``/whoami``."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import click

from hermes import OWNER, CommandContext, Role, UsageError, command, group
from hermes_plugin_access.pairing import Pairing
from hermes_plugin_access.persons import GOOD_FOR, Persons


@group(role="owner")
async def pairing(context: CommandContext) -> None:
    """Let people in by the code that they got, or out again."""
    await show(context)


@pairing.command("list")
async def list_(context: CommandContext) -> None:
    """Show who waits to be let in, and who was.

    APPROVE takes the code that somebody gave you, or their id as it stands here.
    """
    await show(context)


@pairing.command()
@click.argument("platform")
@click.argument("code")
@click.option("--role", type=click.Choice(["guest", "user", "owner"]), default="user",
              help="What they may do.")  # fmt: skip
async def approve(context: CommandContext, platform: str, code: str, role: Role) -> None:
    """Let in who waits on PLATFORM with CODE, or with that id."""
    user, kept = await asyncio.to_thread(kept_pairing(context).approve, platform, code, role)
    context.reply(f"{platform} {user} {named(kept.name)}may talk to Hermes now, as {kept.role}.")


@pairing.command()
@click.argument("platform")
@click.argument("user")
async def revoke(context: CommandContext, platform: str, user: str) -> None:
    """Let USER of PLATFORM out again."""
    if not await asyncio.to_thread(kept_pairing(context).revoke, platform, user):
        raise UsageError(
            f"{platform} {user} was not let in by pairing: see `hermes pairing list`; who is named"
            " in the configuration is taken out there"
        )
    context.reply(f"{platform} {user} may not talk to Hermes any more.")


@pairing.command("clear-pending")
@click.argument("platform", default="")
async def clear_pending(context: CommandContext, platform: str) -> None:
    """Make every code bad that was given out, of PLATFORM only if named."""
    count = await asyncio.to_thread(kept_pairing(context).clear_pending, platform)
    context.reply(f"{count} code{'' if count == 1 else 's'} cleared.")


@command(role="user")
@click.argument("code", default="")
@click.option("--yes", is_flag=True, help="Join, having read what that means.")
@click.option("--remove", metavar="ACCOUNT", default="", help="Make a linked account its own.")
async def link(context: CommandContext, code: str, yes: bool, remove: str) -> None:
    """Make another chat yours, so that both are one person's.

    Without CODE it gives one; send `/link CODE` in the other chat. What Hermes remembers of you is
    then the same in both.
    """
    persons = kept_persons(context)
    if remove:
        await asyncio.to_thread(persons.part, context.person, remove)
        context.reply(f"{remove} is a person of its own again.")
    elif code and yes:
        giver = await asyncio.to_thread(persons.join, context.person, code)
        context.reply(f"Joined: from now on you here and {called(giver)} are one person.")
    elif code:
        giver = await asyncio.to_thread(persons.offering, context.person, code)
        context.reply(
            f"The code is from {called(giver)}. Joined, you are one person: what Hermes remembers,"
            " and what you allowed it, counts for both. Do not if you did not ask for the code"
            f" yourself. To join, send: /link {code} --yes"
        )
    else:
        code = await asyncio.to_thread(persons.offer, context.person)
        context.reply(
            f"In the other chat, within {GOOD_FOR / 60:.0f} minutes, send: /link {code}\n"
            "(or at a terminal: hermes link CODE). Give the code to nobody else: who has it joins"
            " you, and what is said to one is known to the other."
        )


@command(role="guest")
async def whoami(context: CommandContext) -> None:
    """Say who you are here, and what you may do."""
    persons = kept_persons(context)
    context.reply(f"You are {called(context.person)}, here as {context.role}.")
    accounts = persons.accounts(context.person)
    if accounts and accounts != [context.person]:
        context.reply(f"Your accounts: {', '.join(accounts)}.")
    if context.session is not None:
        context.reply(f"This conversation is {context.session.id}.")


async def show(context: CommandContext) -> None:
    """Reply with the list."""
    doors = await asyncio.to_thread(kept_pairing(context).doors)
    lines, now = [], time.time()
    for platform, door in sorted(doors.items()):
        for one in door.pending:
            left = max(1, round((one.until - now) / 60))
            lines.append(f"waits     {platform} {one.user} {named(one.name)}({left} min left)")
        for user, kept in sorted(door.approved.items()):
            since = datetime.fromtimestamp(kept.at, UTC).astimezone()
            name = named(kept.name)
            lines.append(f"approved  {platform} {user} {name}as {kept.role} since {since:%Y-%m-%d}")
        if door.locked_until > now:
            left = max(1, round((door.locked_until - now) / 60))
            lines.append(f"locked    {platform} for {left} min, after too many wrong codes")
    context.reply("\n".join(lines) if lines else "Nobody waits, and nobody was let in by pairing.")


def kept_pairing(context: CommandContext) -> Pairing:
    """Give the pairing of this home: a file, so that no runtime need be opened."""
    return Pairing(context.host.context("access").paths.data, time.time)


def kept_persons(context: CommandContext) -> Persons:
    """Give whose accounts are whose in this home."""
    return Persons(context.host.context("access").paths.data, time.time)


def called(person: str) -> str:
    """Name a person in a sentence."""
    return "the person at the terminal" if person == OWNER else person


def named(name: str) -> str:
    """Put a name beside an id."""
    return f"({name}) " if name else ""
