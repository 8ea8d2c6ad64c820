"""``sessions``: what was talked about, and what becomes of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from hermes import (
    CommandContext,
    Finished,
    HermesError,
    Question,
    Rest,
    SessionInfo,
    UsageError,
    group,
)
from hermes_plugin_commands import journal
from hermes_plugin_commands.here import owners_only
from hermes_plugin_commands.searching import search
from hermes_plugin_commands.words import age, count, line, short, size, table

if TYPE_CHECKING:
    from hermes.runtime import Runtime
    from hermes.store import Store

PAGE = 500
DAYS = 90
"""Age at which ``prune`` lets go of a conversation, as in Hermes Agent."""
DAY = 86_400_000_000
as_json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@group(role="user")
@as_json_option
async def sessions(context: CommandContext, as_json: bool) -> None:
    """List conversations, and search, show, export, rename or delete them."""
    await _list(context, 20, "", as_json)


@sessions.command("list")
@click.option("--limit", "-n", default=20, show_default=True, help="How many, newest first.")
@click.option("--surface", default="", help="Only those of a surface: cli, telegram …")
@as_json_option
async def list_(context: CommandContext, limit: int, surface: str, as_json: bool) -> None:
    """List conversations, last used first."""
    await _list(context, limit, surface, as_json)


async def _list(context: CommandContext, limit: int, surface: str, as_json: bool) -> None:
    runtime = await context.runtime()
    person = None if context.role == "owner" else context.person
    found = await runtime.store.sessions(person=person, surface=surface or None, limit=limit)
    if as_json:
        context.reply(json.dumps(journal.plain_data(found), indent=2, ensure_ascii=False))
        return
    if not found:
        context.reply("There are no conversations yet.")
        return
    rows = [("ID", "USED", "RECORDS", "WHERE", "TITLE")]
    for info in found:
        where = f"{info.surface} {Path(info.directory).name}".strip()
        name = await journal.named(runtime.store, info) + (" (open turn)" if info.open_turn else "")
        rows.append((short(info.id), age(info.updated), str(info.records), line(where, 24), name))
    context.reply("\n".join(table(rows)))


@sessions.command()
@click.argument("session", metavar="ID|TITLE")
@click.option("--whole", is_flag=True, help="What tools gave, whole.")
@click.option("--around", default=0, metavar="NUMBER", help="Only what stands around that record.")
@click.option("--window", default=10, show_default=True, type=click.IntRange(1),
              help="Records before and after it.")  # fmt: skip
@as_json_option
async def show(
    context: CommandContext, session: str, whole: bool, around: int, window: int, as_json: bool
) -> None:
    """Show what was said in a conversation."""
    owners_only(context)
    runtime = await context.runtime()
    info = await runtime.find(session)
    after, limit = (max(0, around - window - 1), 2 * window + 1) if around else (0, None)
    records = await runtime.store.records(info.id, after, limit)
    if as_json:
        data = {
            **journal.plain_data(info),
            "entries": [journal.record_data(record) for record in records],
        }
        context.reply(json.dumps(data, indent=2, ensure_ascii=False))
        return
    about = (
        f"{info.id} · {count(info.records, 'record')} · used {age(info.updated)} · {info.surface}"
    )
    context.reply("\n".join([line(info.title), about] if info.title else [about]))
    context.reply("\n".join(journal.plain(records, whole=whole)))


@sessions.command()
@click.argument("session", metavar="ID|TITLE", default="")
@click.option("--all", "everything", is_flag=True, help="Every conversation, as JSON lines.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "markdown"]),
    default="jsonl",
    show_default=True,
    help="JSON lines hold everything, Markdown what was said.",
)
@click.option("--output", "-o", default="", metavar="FILE", help="Instead of standard output.")
async def export(
    context: CommandContext, session: str, everything: bool, form: str, output: str
) -> None:
    """Write a conversation out, to keep or to read elsewhere."""
    owners_only(context)
    if bool(session) == everything:
        raise UsageError("name one conversation, or say --all")
    if everything and form == "markdown":
        raise UsageError("--all goes with JSON lines")
    if output and context.surface != "cli":
        raise UsageError("files are written from a shell: hermes sessions export")
    runtime = await context.runtime()
    chosen = await _every(runtime.store) if everything else [await runtime.find(session)]
    if not output:
        for info in chosen:
            context.reply("\n".join(await _exported(runtime.store, info, form)))
        return
    try:
        with _create(output) as file:
            for info in chosen:
                lines = await _exported(runtime.store, info, form)
                file.write("\n".join(lines) + "\n")
    except OSError as error:
        raise HermesError(f"{output} cannot be written: {error.strerror}") from None
    context.reply(f"{count(len(chosen), 'conversation')} in {output}")


def _create(file: str) -> TextIO:
    """Open a file to write, for its owner only: it holds a conversation."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(descriptor, "w", encoding="utf-8")


async def _exported(store: Store, info: SessionInfo, form: str) -> list[str]:
    records = await store.records(info.id)
    made = journal.json_lines if form == "jsonl" else journal.markdown
    return list(made(info, records))


@sessions.command()
@click.argument("session", metavar="ID|TITLE")
@click.argument("title", type=Rest())
async def rename(context: CommandContext, session: str, title: str) -> None:
    """Give a conversation another title."""
    owners_only(context)
    runtime = await context.runtime()
    info = await runtime.find(session)
    conversation = await runtime.conversation(id=info.id)
    await conversation.rename(line(title, 100))
    context.reply(f"{short(info.id)} is now {line(title, 100)}")


@sessions.command()
@click.argument("session", metavar="ID|TITLE...", nargs=-1, required=True)
@yes_option
async def delete(context: CommandContext, session: Sequence[str], yes: bool) -> None:
    """Forget conversations for good: what was said, and what tools gave."""
    owners_only(context)
    runtime = await context.runtime()
    chosen = [await runtime.find(each) for each in session]
    if context.session is not None and context.session.id in {info.id for info in chosen}:
        raise UsageError("this is the conversation you are in: /new begins another")
    names = [f"{short(info.id)} {await journal.named(runtime.store, info)}" for info in chosen]
    text = "Forget for good?\n" + "\n".join(f"  {name}" for name in names)
    if yes or await _agreed(context, text):
        await _forget(context, runtime, chosen, "deleted by its owner")


@sessions.command()
@click.option("--older-than", "days", default=DAYS, show_default=True, type=click.IntRange(0),
              metavar="DAYS", help="Not used for so many days.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say which.")
@yes_option
async def prune(context: CommandContext, days: int, dry_run: bool, yes: bool) -> None:
    """Forget conversations that were not used for long."""
    owners_only(context)
    runtime = await context.runtime()
    before = int(time.time() * 1e6) - days * DAY
    here = context.session.id if context.session is not None else ""
    old = [
        info
        for info in await _every(runtime.store, before)
        if not info.open_turn and info.id != here
    ]
    if not old:
        context.reply(f"No conversation was left alone for {count(days, 'day')}.")
        return
    if dry_run:
        for info in old:
            name = await journal.named(runtime.store, info)
            context.reply(f"{short(info.id)}  {age(info.updated):>6}  {name}".rstrip())
        return
    text = f"Forget {count(len(old), 'conversation')} not used for {count(days, 'day')}, for good?"
    if yes or await _agreed(context, text):
        await _forget(context, runtime, old, f"not used for {days} days")


sessions.add_command(search)


@sessions.command()
@as_json_option
async def stats(context: CommandContext, as_json: bool) -> None:
    """Say how much the journal holds."""
    owners_only(context)
    runtime = await context.runtime()
    found = await runtime.store.stats()
    if as_json:
        context.reply(json.dumps(journal.plain_data(found), indent=2))
        return
    context.reply(
        f"{count(found.sessions, 'conversation')}, {count(found.records, 'record')},"
        f" {size(found.size)}; {found.library or 'journal'}, schema {found.version}"
    )


async def _every(store: Store, before: int | None = None) -> list[SessionInfo]:
    """List all conversations, or those last used before a time."""
    found: list[SessionInfo] = []
    while True:
        page = await store.sessions(before=before, limit=PAGE)
        found += page
        if len(page) < PAGE:
            return found
        before = page[-1].updated


async def _agreed(context: CommandContext, text: str) -> bool:
    reply = await context.ask(Question(text, ("yes", "no"), seconds=600))
    if reply.choice == "yes":
        return True
    if reply.denied and not reply.by:
        raise UsageError("nobody is there to ask: say --yes")
    context.reply("Nothing was forgotten.")
    return False


async def _forget(
    context: CommandContext, runtime: Runtime, chosen: Sequence[SessionInfo], why: str
) -> None:
    """Erase conversations, each with the files that hold whole outputs of its tools."""
    blanked = 0
    for info in chosen:
        records = await runtime.store.records(info.id)
        blanked += await runtime.store.erase([info.id], why)
        runtime.forgotten(info.id)
        for record in records:
            if isinstance(record.body, Finished) and record.body.output.startswith("output:"):
                name = record.body.output.removeprefix("output:")
                if name == Path(name).name:
                    (context.host.paths.outputs / name).unlink(missing_ok=True)
        try:
            await runtime.terminals.forget(info.id)
        except HermesError as error:
            context.reply(f"What the terminal of {info.id} kept is still there: {error}")
    context.reply(f"Forgot {count(len(chosen), 'conversation')}, {count(blanked, 'record')}.")
