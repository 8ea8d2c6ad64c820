"""``model``: which there are, which one answers, and choosing another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hermes import CommandContext, HermesError, ModelInfo, NotFound, command
from hermes_plugin_commands.words import line

if TYPE_CHECKING:
    from hermes.runtime import Runtime

SHOWN = 20
"""Models of one provider that a list shows."""
PICKED = 24
"""Models that get a button."""


@command()
@click.argument("name", default="", metavar="[PROVIDER:MODEL]")
@click.option("--global", "everywhere", is_flag=True, help="In a chat: for all conversations.")
@click.option("--all", "everything", is_flag=True, help="List every model, however many.")
async def model(context: CommandContext, name: str, everywhere: bool, everything: bool) -> None:
    """List the models, or choose one.

    From a shell it is the one that new messages go to; in a chat, this conversation's.
    """
    if not name:
        await _list(context, everything)
        return
    conversation = context.conversation
    if conversation is None or everywhere:
        _check(context, name)
        context.host.config.set("model", name)
        context.reply(f"The model is {name} from now on ({context.host.config.file}).")
    if conversation is not None:
        context.reply(f"This conversation goes on with {await conversation.use_model(name)}.")


def _check(context: CommandContext, name: str) -> None:
    """Raise NotFound where nobody offers the provider that *name* begins with."""
    known = context.host.offers("providers")
    if name.partition(":")[0] not in known:
        some = ", ".join(known) or "none is installed"
        raise NotFound(f"no provider for {name!r}; write it as PROVIDER:MODEL, with one of: {some}")


async def _list(context: CommandContext, everything: bool) -> None:
    runtime = await context.runtime()
    current = await _current(context, runtime)
    context.reply(f"Model: {current or 'none is chosen'}")
    seen, others = False, list[str]()
    for provider, models in (await runtime.provider_models()).items():
        context.reply(f"\n{provider}: {context.host.offers('providers')[provider].summary}")
        listed = models if everything else models[:SHOWN]
        for info in listed:
            name = f"{provider}:{info.name}"
            seen = seen or name == current
            others += [name] if name != current else []
            context.reply(f"{'*' if name == current else ' '} {name}  {_facts(info)}".rstrip())
        if len(models) > len(listed):
            context.reply(f"  … and {len(models) - len(listed)} more: --all lists them")
        if not models:
            context.reply(f"  (gives no list; any name may be tried: {provider}:NAME)")
        if current.startswith(f"{provider}:") and not seen:
            context.reply(f"* {current}")
    how = "/model" if context.surface == "chat" else "hermes model"
    context.reply(f"\n{how} PROVIDER:MODEL chooses one.")
    context.pick("model", others[:PICKED])


async def _current(context: CommandContext, runtime: Runtime) -> str:
    try:
        if context.conversation is not None:
            return await context.conversation.model()
        configured: str = context.host.config.section("hermes").model
        return runtime.models.resolve(configured or "local")
    except HermesError:
        return ""


def _facts(info: ModelInfo) -> str:
    facts = [f"{info.window:,} tokens"] if info.window else []
    facts += [] if info.tools else ["no tools"]
    facts += ["images"] if info.images else []
    facts += [line(info.summary)] if info.summary else []
    return ", ".join(facts)
