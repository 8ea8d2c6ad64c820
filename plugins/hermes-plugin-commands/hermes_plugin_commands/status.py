"""What this conversation is, and what it has used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes import Answer, CommandContext, Ended, HermesError, Usage, command
from hermes_plugin_commands.here import conversation
from hermes_plugin_commands.words import age, count, table

if TYPE_CHECKING:
    from hermes.runtime import Runtime


@command(surfaces={"chat"}, role="user")
async def status(context: CommandContext) -> None:
    """Say which conversation this is, which model answers, and whether something runs."""
    runtime = await context.runtime()
    here = conversation(context)
    info = await here.load()
    try:
        model = await here.model()
    except HermesError as error:
        model = str(error)
    running = runtime.mailbox(info.id).running is not None
    rows = [
        ("conversation", info.id),
        ("title", info.title or "(none)"),
        ("model", model),
        ("folder", info.directory or "(none)"),
        (
            "records",
            f"{info.records:,}" + (f", last used {age(info.updated)}" if info.head else ""),
        ),
        ("context", await _filled(runtime, info.id, model)),
        ("running", "yes" if running else "no"),
        ("terminal", await runtime.terminals.status(info)),
    ]
    context.reply("\n".join(table(rows)))


async def _filled(runtime: Runtime, session: str, model: str) -> str:
    """Say how much of the model's window the last call filled, as its vendor counted."""
    answers = [
        record.body
        for record in await runtime.store.records(session)
        if isinstance(record.body, Answer)
    ]
    if not answers:
        return "(nothing yet)"
    last = answers[-1].usage
    tokens = last.input + last.output
    window = (await runtime.models.info(model)).window
    return f"{tokens:,} tokens" + (f" of {window:,} ({tokens / window:.0%})" if window else "")


@command(surfaces={"chat"}, role="user")
async def usage(context: CommandContext) -> None:
    """Say how many tokens this conversation has used, by model."""
    runtime = await context.runtime()
    info = await conversation(context).load()
    by_model: dict[str, Usage] = {}
    turns = 0
    for record in await runtime.store.records(info.id):
        if isinstance(record.body, Ended):
            turns += 1
            before = by_model.get(record.body.model, Usage())
            by_model[record.body.model] = before + record.body.usage
    if not turns:
        context.reply("Nothing was used yet.")
        return
    rows: list[tuple[str, ...]] = [("MODEL", "CALLS", "INPUT", "CACHED", "OUTPUT", "COST")]
    for model, used in by_model.items():
        cost = "" if used.cost is None else f"${used.cost:.4f}"
        numbers = (used.calls, used.input, used.cache_read, used.output)
        rows.append((model or "(none)", *(f"{number:,}" for number in numbers), cost))
    context.reply("\n".join([count(turns, "turn"), *table(rows)]))
