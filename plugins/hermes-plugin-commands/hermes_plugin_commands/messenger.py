"""Commands of a messenger's chat: answering, queueing, steering, and how the platforms are."""

from __future__ import annotations

from typing import Any, Literal, cast

import click

from hermes import CommandContext, Rest, SetState, UsageError, command
from hermes_plugin_commands.words import age, table

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
    """Make this chat the one that gets what nobody asked for (reminders, `hermes send`)."""
    if context.gateway is None or context.key is None:
        raise UsageError("only a messenger's chat can be a home")
    await (await context.runtime()).outbox.set_home(context.key)
    context.reply(f"This chat is the home of {context.key.platform} now.")


@command(surfaces={"chat"}, role="user")
@click.argument("order", type=click.Choice(["list", "pause", "resume"]), default="list")
@click.argument("name", default="", metavar="[NAME]")
async def platforms(context: CommandContext, order: str, name: str) -> None:
    """Say how each platform is; an owner may pause one and resume it."""
    if context.gateway is None or context.key is None:
        raise UsageError("no gateway serves this chat")
    if order == "list":
        context.reply(_overview(context.gateway.status()))
        return
    if context.role != "owner":
        raise UsageError(f"/platforms {order} is for owners")
    if not name:
        raise UsageError(f"say which: /platforms {order} NAME")
    if order == "resume":
        context.reply(f"{await context.gateway.parts.resume(name)} runs again.")
    elif name == context.key.platform:
        raise UsageError(
            f"this chat is on {name}: nobody could resume it from here."
            f" From elsewhere: /platforms pause {name}, or hermes gateway pause {name}"
        )
    else:
        paused = await context.gateway.parts.pause(name)
        context.reply(f"{paused} is paused; what is for it waits (/platforms resume {name}).")


def _overview(parts: dict[str, dict[str, Any]]) -> str:
    rows = [
        (
            name,
            part["state"],
            _ago(part.get("last_received")),
            _ago(part.get("last_sent")),
            part["error"],
        )
        for name, part in parts.items()
    ]
    return "\n".join(table([("PLATFORM", "STATE", "RECEIVED", "SENT", ""), *rows]))


def _ago(at: float | None) -> str:
    return age(int(at * 1e6)) if at else ""
