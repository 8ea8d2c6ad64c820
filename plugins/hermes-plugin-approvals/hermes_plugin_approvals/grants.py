"""``hermes grants``, and ``/grants`` in a chat: what runs without anybody being asked.

A holder is a job (``job:backup``), a route (``route:github``), a surface (``surface:api``: whoever
has the API's key), a conversation (``session:ID``, or ``here`` in a chat) or a person
(``person:owner``).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, get_args

import click

from hermes import Allowance, CommandContext, HeldAllowance, Need, UsageError, group
from hermes_plugin_approvals import plans

UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@group(role="owner")
async def grants(context: CommandContext) -> None:
    """See, give and revoke what runs without anybody being asked.

    Turns that nobody watches (jobs, webhook routes, API keys) run only what their grants cover.
    """
    await show_all(context)


@grants.command("list")
@click.argument("holder", default="")
async def list_(context: CommandContext, holder: str) -> None:
    """List the grants that stand, or those of HOLDER."""
    await show_all(context, holder)


@grants.command()
@click.argument("id")
async def show(context: CommandContext, id: str) -> None:
    """Show one grant whole."""
    given = await found(context, id)
    allowance = given.allowance
    context.reply(f"{given.id} for {given.holder}")
    context.reply(f"  given   {moment(given.given)} by {given.by}")
    context.reply(f"  until   {moment(allowance.until) if allowance.until else 'revoked'}")
    context.reply(f"  needs   {', '.join(sorted(allowance.needs))}")
    steps = await plan_of(context, given)
    for number, (step, spent) in enumerate(steps, 1):
        context.reply(f"  {number}. {'made ' if spent else ''}{step}")
    for name in ("tools", "folders", "hosts") if steps else ("tools", "folders", "hosts", "calls"):
        bound = getattr(allowance, name)
        context.reply(f"  {name:<7} {', '.join(bound) if bound else 'any'}")
    if given.bound:
        context.reply(f"  only for the text with the hash {given.bound[:12]}")
    if allowance.why:
        context.reply(f"  why     {allowance.why}")


@grants.command()
@click.argument("id")
async def revoke(context: CommandContext, id: str) -> None:
    """Take a grant back, at once: running turns lose it too."""
    given = await found(context, id)
    runtime = await context.runtime()
    if not await runtime.grants.revoke(given.id):
        raise UsageError(f"{given.id} was revoked already")
    context.reply(f"Revoked: {line(given)}")


@grants.command()
@click.argument("holder")
@click.option("--need", "needs", multiple=True, required=True, help="read, write, run, network …")
@click.option("--tool", "tools", multiple=True, help="Only this tool.")
@click.option("--folder", "folders", multiple=True, help="Only inside this folder.")
@click.option("--host", "hosts", multiple=True, help="Only this host.")
@click.option("--for", "lasts", default="", help="For so long: 30m, 2h, 7d.")
@click.option("--text", default="", help="Only while the holder's text (a job's prompt) is this.")
@click.option("--why", default="", help="A note for the list.")
async def give(
    context: CommandContext,
    holder: str,
    needs: tuple[str, ...],
    tools: tuple[str, ...],
    folders: tuple[str, ...],
    hosts: tuple[str, ...],
    lasts: str,
    text: str,
    why: str,
) -> None:
    """Let HOLDER (job:NAME, route:NAME, surface:api, person:ID, here) do something unasked.

    Every bound that is given must be known to hold: with --folder, commands that are not
    understood stay forbidden. Without one, --need run means any command.
    """
    for need in needs:
        if need not in get_args(Need):
            raise UsageError(f"--need {need}: it is one of {', '.join(get_args(Need))}")
    if holder == "here":
        if context.session is None:
            raise UsageError("here is a chat's conversation; from a shell name it: session:ID")
        holder = f"session:{context.session.id}"
    for folder in folders:
        if not folder.startswith("/"):
            raise UsageError(f"--folder {folder}: give it whole, from / on")
    allowance = Allowance(
        "",
        frozenset(needs),
        tools=tools,
        folders=folders,
        hosts=hosts,
        until=int((time.time() + seconds(lasts)) * 1e6) if lasts else None,
        why=why,
    )
    runtime = await context.runtime()
    try:
        given = await runtime.grants.give(holder, allowance, by=context.person, text=text)
    except ValueError as error:
        raise UsageError(str(error)) from None
    context.reply(f"Given: {line(given)}")


async def show_all(context: CommandContext, holder: str = "") -> None:
    """Reply with the list."""
    runtime = await context.runtime()
    standing = [one for one in await runtime.grants.all() if holder in ("", one.holder)]
    if not standing:
        context.reply("No grants: what nobody is there to allow does not run.")
    for given in standing:
        context.reply(line(given))


async def found(context: CommandContext, id: str) -> HeldAllowance:
    """Give the one grant whose id begins or ends with *id*. Raise `UsageError`."""
    runtime = await context.runtime()
    standing = await runtime.grants.all()
    fits = [given for given in standing if given.id == id] or [
        given for given in standing if len(id) >= 4 and (id in given.id)
    ]
    if len(fits) != 1:
        raise UsageError(
            f"{'several grants are' if fits else 'no grant'} {id!r}: see `grants list`"
        )
    return fits[0]


async def plan_of(context: CommandContext, given: HeldAllowance) -> list[tuple[str, bool]]:
    """Give the steps of a plan, and whether each was made; none for another grant."""
    kind, _, session = given.holder.partition(":")
    if not given.allowance.once or kind != "session":
        return []
    runtime: Any = await context.runtime()
    for plan in await plans.kept(runtime.host.context("approvals").state, session):
        if plan.grant == given.id:
            made = len(plan.spent)
            return [(step.text, place < made) for place, step in enumerate(plan.steps)]
    return []


def line(given: HeldAllowance) -> str:
    """Write a grant in one line."""
    allowance = given.allowance
    parts = [given.id, given.holder, ",".join(sorted(allowance.needs))]
    bounds = {"tools": allowance.tools, "folders": allowance.folders, "hosts": allowance.hosts}
    parts += [f"{name}={','.join(bound)}" for name, bound in bounds.items() if bound]
    if allowance.calls:
        parts.append(f"{len(allowance.calls)} exact calls{', each once' if allowance.once else ''}")
    parts.append(f"until {moment(allowance.until)}" if allowance.until else "until revoked")
    if given.bound:
        parts.append("for its text only")
    if allowance.why:
        parts.append(f"({allowance.why})")
    return "  ".join(parts)


def moment(microseconds: int) -> str:
    """Write a time as the person's clock shows it."""
    return f"{datetime.fromtimestamp(microseconds / 1e6, UTC).astimezone():%Y-%m-%d %H:%M}"


def seconds(text: str) -> float:
    """Read a time like ``2h``. Raise `UsageError`."""
    number, unit = text[:-1], text[-1:]
    if not number.isdigit() or unit not in UNITS or int(number) == 0:
        raise UsageError(f"--for {text}: a number with m, h, d or w, as 2h")
    return int(number) * UNITS[unit]
