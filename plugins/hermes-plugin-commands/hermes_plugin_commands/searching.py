"""``sessions search``: what was said, anywhere, and where to read on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from hermes import CommandContext, UsageError, command, one_line
from hermes_plugin_commands import journal
from hermes_plugin_commands.here import owners_only
from hermes_plugin_commands.words import count, line, short


@command()
@click.option("--limit", "-n", default=10, show_default=True, type=click.IntRange(1, 200),
              help="Messages, best first.")  # fmt: skip
@click.option("--in", "inside", default="", metavar="ID|TITLE", help="Only in one conversation.")
@click.option("--person", default="", help="Only conversations of one person.")
@click.option("--tools", is_flag=True, help="What tools gave, too.")
@click.option("--sort", type=click.Choice(["best", "newest", "oldest"]), default="best",
              show_default=True, help="Which come first.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.argument("words", nargs=-1, required=True)
async def search(
    context: CommandContext,
    limit: int,
    inside: str,
    person: str,
    tools: bool,
    sort: str,
    as_json: bool,
    words: Sequence[str],
) -> None:
    """Search what was said in all conversations; `sessions show ID --around NUMBER` reads on."""
    owners_only(context)
    runtime = await context.runtime()
    session = (await runtime.find(inside)).id if inside else None
    try:
        hits = await runtime.store.search(
            " ".join(words),
            person=person or None,
            session=session,
            roles=("user", "assistant", *(("tool",) if tools else ())),
            limit=limit,
            order="oldest" if sort == "oldest" else "newest",
        )
    except NotImplementedError as error:
        raise UsageError(f"this journal cannot be searched ({one_line(error)})") from None
    if sort != "best":
        hits.sort(key=lambda hit: hit.time, reverse=sort == "newest")
    if as_json:
        context.reply(json.dumps(journal.plain_data(hits), indent=2, ensure_ascii=False))
        return
    for hit in hits:
        day = datetime.fromtimestamp(hit.time / 1_000_000, UTC).astimezone()
        title = f" {line(hit.title)}" if hit.title else ""
        context.reply(f"{short(hit.session)}{title} [{hit.seq}] {day:%Y-%m-%d %H:%M} {hit.role}:")
        context.reply(f"    {line(hit.snippet, 300)}")
    context.reply(count(len(hits), "hit") if hits else f"Nobody said {' '.join(words)!r}.")
