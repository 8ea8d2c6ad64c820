"""``hermes approvals``, and ``/approvals`` in a chat: see and take back what was allowed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from hermes import CommandContext, UsageError, group
from hermes_plugin_approvals.standing import Permission, Standing


@group(role="user")
async def approvals(context: CommandContext) -> None:
    """List or take back what may run without a question.

    A permission is for one person and for exactly one call: the same tool with the same arguments
    in the same folder.
    """
    await show(context)


@approvals.command("list")
async def list_(context: CommandContext) -> None:
    """List your permissions, oldest first."""
    await show(context)


@approvals.command()
@click.argument("id")
async def revoke(context: CommandContext, id: str) -> None:
    """Take back the permission ID, as the list shows it."""
    standing, session = await opened(context)
    if len(id) < 4:
        raise UsageError("give at least four characters of the permission's id")
    gone = [
        *await standing.revoke("session", session, context.person, id),
        *await standing.revoke("always", context.person, context.person, id),
    ]
    if not gone:
        raise UsageError(f"no permission {id!r}: see `approvals list`")
    for permission in gone:
        context.reply(f"Taken back: {line(permission)}")


@approvals.command()
async def clear(context: CommandContext) -> None:
    """Take back every permission of yours."""
    standing, session = await opened(context)
    gone = [
        *await standing.revoke("session", session, context.person),
        *await standing.revoke("always", context.person, context.person),
    ]
    context.reply(f"Taken back: {len(gone)} permission{'' if len(gone) == 1 else 's'}.")


async def show(context: CommandContext) -> None:
    """Reply with the list."""
    standing, session = await opened(context)
    kept = [*await standing.session(session), *await standing.always(context.person)]
    mine = [permission for permission in kept if permission.person == context.person]
    if not mine:
        context.reply("Nothing runs without a question, but reading inside the workspace.")
    for permission in mine:
        context.reply(line(permission))


async def opened(context: CommandContext) -> tuple[Standing, str]:
    """Give the kept permissions, and the id of the conversation that is spoken in."""
    runtime: Any = await context.runtime()  # what the host gives has state only beneath a runtime
    session = context.session
    return Standing(runtime.host.context("approvals").state), session.id if session else ""


def line(permission: Permission) -> str:
    """Write a permission in one line."""
    given = datetime.fromtimestamp(permission.given / 1_000_000, UTC).astimezone()
    subject = " ".join(permission.subject.split())
    return (
        f"{permission.id}  {permission.lasts:<7}  {given:%Y-%m-%d}  {permission.tool}"
        f"  {subject}  ({permission.where})"
    )
