"""Commands of a messenger's chat: answering, queueing, steering, and how the platforms are."""

from __future__ import annotations

from typing import Literal, cast

import click

from hermes import CommandContext, Rest, SetState, UsageError, command
from hermes_plugin_commands.words import table

BUSY = ("interrupt", "queue", "steer")


@command(surfaces={"chat"}, role="user")
@click.argument("choice", default="once")
async def approve(context: CommandContext, choice: str) -> None:
    """Allow what a question asks about: once, session or always."""
    if said := await context.answer(choice):
        context.reply(said)
    else:
        context.reply(f"Allowed: {choice}.")


@command(surfaces={"chat"}, role="user")
async def deny(context: CommandContext) -> None:
    """Answer a question with no."""
    context.reply(await context.answer("deny") or "Denied.")


@command(surfaces={"chat"}, role="user")
@click.argument("text", type=Rest(), default="")
async def queue(context: CommandContext, text: str) -> None:
    """Send a message that waits until the running turn is over."""
    await context.post(text, "queue")


@command(surfaces={"chat"}, role="user")
@click.argument("text", type=Rest(), default="")
async def steer(context: CommandContext, text: str) -> None:
    """Add a message to the running turn, after its next tool results."""
    await context.post(text, "steer")


@command(surfaces={"chat"}, role="user")
@click.argument("mode", type=click.Choice(BUSY), required=False)
async def busy(context: CommandContext, mode: str | None) -> None:
    """Show or set what a message does here while a turn runs."""
    if context.gateway is None or context.key is None:
        raise UsageError("only a messenger's chat has this setting")
    store = (await context.runtime()).store
    name = f"hermes/busy/{context.key}"
    if mode:
        await store.commit((SetState("process", "", name, mode.encode()),))
    kept = await store.state("process", "", name)
    now = kept.decode() if kept else context.gateway.settings.busy
    meaning = {"interrupt": "interrupts the turn", "queue": "waits", "steer": "joins the turn"}
    said = meaning[cast(Literal["interrupt", "queue", "steer"], now)]
    context.reply(f"{now}: a message that comes while a turn runs {said}.")


@command(surfaces={"chat"}, role="owner")
async def sethome(context: CommandContext) -> None:
    """Make this chat the one that gets what nobody asked for (reminders, notices)."""
    if context.key is None:
        raise UsageError("only a messenger's chat can be a home")
    store = (await context.runtime()).store
    name = f"hermes/home/{context.key.platform}"
    await store.commit((SetState("process", "", name, str(context.key).encode()),))
    context.reply("This chat is the home of its platform now.")


@command(surfaces={"chat"}, role="user")
async def platforms(context: CommandContext) -> None:
    """Say how each platform is."""
    if context.gateway is None:
        raise UsageError("no gateway serves this chat")
    rows = [
        (name, part["state"], str(part.get("received", "")), part["error"])
        for name, part in context.gateway.status().items()
    ]
    context.reply("\n".join(table([("PLATFORM", "STATE", "RECEIVED", ""), *rows])))
