"""Taking turns back, repeating and stopping them."""

from __future__ import annotations

import click

from hermes import CommandContext, command
from hermes_plugin_commands.here import conversation
from hermes_plugin_commands.words import count, line


@command(surfaces={"chat"}, role="user", busy=False)
@click.argument("turns", default=1, type=click.IntRange(1), metavar="[N]")
async def undo(context: CommandContext, turns: int) -> None:
    """Take back the last turn, or the last N: the model no longer sees them."""
    text = await conversation(context).undo(turns)
    context.reply(f"Took back {count(turns, 'turn')}, from: {line(text, 200)}")


@command(surfaces={"chat"}, role="user", busy=False)
async def retry(context: CommandContext) -> None:
    """Take back the last turn and send its message again."""
    await context.retry()


@command(surfaces={"chat"}, role="user")
async def stop(context: CommandContext) -> None:
    """Stop what runs in this conversation; what is finished stays."""
    stopped = await conversation(context).stop()
    context.reply("Stopping." if stopped else "Nothing runs here.")
