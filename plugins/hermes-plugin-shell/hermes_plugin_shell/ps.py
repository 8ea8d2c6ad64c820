"""``hermes ps``, and ``/ps`` in a chat: what every Hermes of this home started and still runs."""

from __future__ import annotations

import asyncio
import time

import click

from hermes import CommandContext, HermesError, UsageError, group

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@group(role="owner")
async def ps(context: CommandContext) -> None:
    """List what Hermes started and still runs: commands, servers, containers.

    Age, owner (the conversation, chat or person that it was started for), where it runs, and
    whether it is kept when its conversation and Hermes end.
    """
    await show(context)


@ps.command("list")
async def list_(context: CommandContext) -> None:
    """List what Hermes started and still runs, oldest first."""
    await show(context)


@ps.command()
@click.argument("id")
async def end(context: CommandContext, id: str) -> None:
    """End the process ID (as the list shows it) with everything that it started."""
    runtime = await context.runtime()
    found = [one for one in runtime.children.everything() if one.id.startswith(id)]
    if len(id) < 4 or len(found) != 1:
        raise UsageError(f"no process {id!r}: see `ps`")
    (one,) = found
    if one.started.backend:
        backend = await runtime.terminals.opened(one.started.backend)
        await backend.reap((one.started.handle,))
    await runtime.children.end(one.id)
    context.reply(f"Ended: {one.started.what}")


async def show(context: CommandContext) -> None:
    """Reply with the list."""
    runtime = await context.runtime()
    listed = await asyncio.to_thread(runtime.children.everything)
    if not listed:
        context.reply("Nothing runs.")
        return
    rows = [("ID", "AGE", "OWNER", "WHERE", "KEPT", "WHAT")]
    for one in listed:
        started = one.started
        where = started.backend or f"{len(one.pids)} here"
        kept = "kept" if started.keep else "orphan" if one.orphan else ""
        what = " ".join(started.what.split())[:80]
        rows.append((one.id[:8], age(started.started), started.owner, where, kept, what))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        context.reply(line.rstrip())
    await costs(context)


async def costs(context: CommandContext) -> None:
    """Add what the terminal of this conversation costs now."""
    conversation = context.conversation
    if conversation is None:
        return
    try:
        runtime = await context.runtime()
        context.reply(f"terminal: {await runtime.terminals.status(await conversation.load())}")
    except HermesError as error:
        context.reply(f"terminal: {error}")


def age(then: float) -> str:
    """Say how long ago *then* (Unix seconds) was."""
    seconds = max(int(time.time() - then), 0)
    length, unit = next((each for each in UNITS if seconds >= each[0]), UNITS[-1])
    return f"{seconds // length} {unit}"
