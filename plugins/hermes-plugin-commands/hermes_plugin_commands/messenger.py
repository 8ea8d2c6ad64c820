"""Commands of a messenger's chat: answering, queueing, steering, and how the platforms are."""

from __future__ import annotations

from typing import Any, Literal, cast

import click

from hermes import CommandContext, Rest, SetState, UsageError, command
from hermes_plugin_commands.words import age, count as plural, table

BUSY = ("interrupt", "queue", "steer")


@command(surfaces={"chat"}, role="user")
@click.argument("words", nargs=-1, metavar="[all] [once|session|always]")
async def approve(context: CommandContext, words: tuple[str, ...]) -> None:
    """Allow what the oldest question asks about, or all that wait: once, session or always."""
    every, rest = _every(words)
    choice = rest[0] if rest else "once"
    count, said = await _answer(context, choice, every=every)
    if not count:
        raise UsageError(said)
    context.reply(f"Allowed: {plural(count, 'question')}, {choice}." if every else
                  f"Allowed: {choice}.")  # fmt: skip


@command(surfaces={"chat"}, role="user")
@click.argument("words", nargs=-1, metavar="[all] [REASON]")
async def deny(context: CommandContext, words: tuple[str, ...]) -> None:
    """Answer the oldest question with no, or all that wait; the model is told the reason."""
    every, rest = _every(words)
    count, said = await _answer(context, "deny", " ".join(rest), every=every)
    if not count:
        raise UsageError(said)
    context.reply(f"Denied: {plural(count, 'question')}." if every else "Denied.")


def _every(words: tuple[str, ...]) -> tuple[bool, tuple[str, ...]]:
    every = words[:1] == ("all",)
    return every, words[1:] if every else words


async def _answer(
    context: CommandContext, choice: str, text: str = "", *, every: bool
) -> tuple[int, str]:
    """Answer one question, or all; say how many took it and why the next did not."""
    count = 0
    while not (said := await context.answer(choice, text)):
        count += 1
        if not every:
            break
    return count, said


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
        said = "no gateway serves this chat: `hermes gateway status` shows the one that runs"
        raise UsageError(said)
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


@command(surfaces={"chat"}, role="guest")
async def start(context: CommandContext) -> None:
    """Say hello: Telegram sends this when somebody opens the chat for the first time."""
    context.reply("Hello. Write whatever you want done; /help lists the commands.")
