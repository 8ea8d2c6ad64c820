"""``hermes memory`` and ``/memory``: what is remembered, where it comes from, and forgetting it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hermes import (
    CommandContext,
    NotFound,
    Opened,
    Question,
    Refused,
    Reprompted,
    Rest,
    UsageError,
    UserSaid,
    group,
)
from hermes_plugin_memory_files import document, wording
from hermes_plugin_memory_files.book import Book, Entry
from hermes_plugin_memory_files.changing import Operation, Source, apply, preview, usage
from hermes_plugin_memory_files.forgetting import Forgotten, find, forget
from hermes_plugin_memory_files.project import project_of
from hermes_plugin_memory_files.ranking import Ranking
from hermes_plugin_memory_files.settings import read

if TYPE_CHECKING:
    from hermes.runtime import Runtime

PLUGIN = "memory-files"
json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")


@group(role="user")
@json_option
async def memory(context: CommandContext, as_json: bool) -> None:
    """Show, search, correct and forget what is remembered of you."""
    await _list(context, as_json)


@memory.command("list")
@json_option
async def list_(context: CommandContext, as_json: bool) -> None:
    """List everything that is remembered, file by file."""
    await _list(context, as_json)


async def _list(context: CommandContext, as_json: bool) -> None:
    entries = await asyncio.to_thread(_book(context).entries, expired=True)
    _show(context, entries, as_json)
    if not entries and not as_json:
        context.reply("Nothing is remembered yet.")


@memory.command()
@click.argument("text", type=Rest())
async def search(context: CommandContext, text: str) -> None:
    """Search what is remembered, as a message with this text would."""
    entries = await asyncio.to_thread(_book(context).entries, expired=True)
    wanted = text.casefold()
    found = [entry for entry in entries if wanted in entry.text.casefold()]
    found += [entry for entry in Ranking(entries).best(text) if entry not in found]
    if not found:
        context.reply(f"Nothing that is remembered has to do with {text!r}.")
    _show(context, found, False)


@memory.command()
@click.argument("text", type=Rest())
async def add(context: CommandContext, text: str) -> None:
    """Remember something."""
    context.reply(await _change(context, Operation("add", content=text)))


@memory.command()
@click.argument("label")
@click.argument("text", type=Rest())
async def correct(context: CommandContext, label: str, text: str) -> None:
    """Put a text in the place of an entry."""
    context.reply(await _change(context, Operation("replace", content=text, old_text=label)))


async def _change(context: CommandContext, operation: Operation) -> str:
    _check_kept(context)
    book, session = _book(context), context.session
    source = Source("person", session.id if session else "", "", context.surface)
    home = context.host.paths.home
    project = project_of(session.directory if session else "", home)
    return await asyncio.to_thread(apply, book, [operation], source, project)


@memory.command()
@click.argument("label", default="")
async def why(context: CommandContext, label: str) -> None:
    """Say where an entry comes from; without a label, what the last answer was told."""
    entries = await asyncio.to_thread(_book(context).entries, expired=True)
    if label:
        wanted = label.strip("[]").removeprefix("m:")
        found = [entry for entry in entries if entry.label == wanted]
        if not found:
            raise NotFound(f"no memory has the label {label!r}; /memory lists them")
        context.reply(await _told(context, found[0]))
        return
    if context.session is None:
        raise NotFound("name a label; hermes memory list shows them")
    beside, always = await _last_told(await context.runtime(), context.session.id)
    known = {entry.label: entry for entry in entries}
    for title, labels in (("Beside your last message", beside), ("In the prompt", always)):
        context.reply(f"{title}: {len(labels)}")
        context.reply("\n".join(_line(known[each]) for each in labels if each in known))


async def _last_told(runtime: Runtime, session: str) -> tuple[list[str], list[str]]:
    """Give the labels that stood beside the last message, and those of the prompt."""
    beside: set[str] = set()
    always: set[str] = set()
    for record in await runtime.store.records(session):
        if isinstance(record.body, UserSaid):
            beside, _ = wording.told(record.body.context)
        elif isinstance(record.body, (Opened, Reprompted)):
            always, _ = wording.told(record.body.prompt)
    return sorted(beside), sorted(always)


async def _told(context: CommandContext, entry: Entry) -> str:
    facts = entry.facts
    by = {"hand": "by hand", "person": "you, by a command", "model": "Hermes, by its tool"}
    always = ", in every prompt" if entry.always else ""
    surface = f", on {facts.surface}" if facts.surface else ""
    said = [
        f"[m:{entry.label}] {entry.text}",
        f"in {entry.place.file}{always}",
        f"written {_time(facts.created)}, {by.get(facts.by, facts.by)}{surface}",
    ]
    if facts.session:
        info = await (await context.runtime()).store.session(facts.session)
        title = f' "{info.title}"' if info and info.title else ""
        there = "" if info else " (forgotten since)"
        said.append(f"from conversation {facts.session}{title}{there}")
    if facts.expires:
        over = " (over)" if facts.expires <= _book(context).clock() else ""
        said.append(f"holds until {wording.day(facts.expires - 1)}{over}")
    if facts.replaces:
        said.append(f"corrects {', '.join(facts.replaces)}")
    used = f", last {_time(facts.used)}" if facts.used else ""
    said.append(
        f"recalled {facts.recalled}, cited {facts.cited}{used}; {facts.confidence} confidence"
    )
    return "\n".join(said)


@memory.command()
@json_option
async def export(context: CommandContext, as_json: bool) -> None:
    """Write everything out: as a person reads it, or with --json all that is known of it."""
    entries = await asyncio.to_thread(_book(context).entries, expired=True)
    if as_json:
        context.reply(_json(entries))
        return
    for place in dict.fromkeys(entry.place for entry in entries):
        texts = [entry.text for entry in entries if entry.place == place]
        context.reply(f"# {place.title}\n\n{document.SEPARATOR.join(texts)}\n")


@memory.command("forget")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--everyone", is_flag=True, help="The owner: what everybody said of it too.")
@click.argument("text", type=Rest())
async def forget_(context: CommandContext, yes: bool, everyone: bool, text: str) -> None:
    """Forget a text everywhere: memories, conversations, titles, kept outputs and logs.

    Of a conversation the turns that mention it go, and nothing else.
    """
    if not text.strip():
        raise UsageError("say what to forget")
    if everyone and context.role != "owner":
        raise NotFound("--everyone is for the owner of this machine")
    _check_kept(context)
    runtime = await context.runtime()
    person = None if everyone else context.person
    if not yes:
        there = await find(runtime, _book(context), text, person)
        question = f"{there} Forget all of it? It cannot be brought back."
        reply = await context.ask(Question(question, ("yes", "no"), purpose="approval"))
        if reply.choice != "yes":
            context.reply("Nothing was forgotten.")
            return
    owner = context.role == "owner"
    done = await forget(runtime, _book(context), text, person, files=owner)
    context.reply(_said(done, owner))


def _check_kept(context: CommandContext) -> None:
    if context.host.incognito:
        raise Refused("this is incognito, and memories are left alone; use another terminal")


def _said(done: Forgotten, owner: bool) -> str:
    said = f"Forgotten: {done.memories} memories, turns in {len(done.conversations)} conversations"
    if owner:
        lines = [f"{said}, lines in {done.files} files of outputs, logs and history."]
    else:
        lines = [f"{said}. Kept outputs of tools and logs are this machine's owner's to clear."]
    lines += [f"Still there, yours to change: {file}" for file in done.left]
    lines.append("Backups made before this still have it.")
    return "\n".join(lines)


def _book(context: CommandContext) -> Book:
    config = context.host.config
    settings = read(config.section(PLUGIN), config)
    return Book(context.host.paths.home, context.person, settings)


def _show(context: CommandContext, entries: Sequence[Entry], as_json: bool) -> None:
    if as_json:
        context.reply(_json(entries))
        return
    for place in dict.fromkeys(entry.place for entry in entries):
        those = [entry for entry in entries if entry.place == place]
        size = len(document.SEPARATOR.join(entry.text for entry in those))
        context.reply(usage(place, size, len(those)))
        context.reply("\n".join(f"  {_line(entry)}" for entry in those))


def _line(entry: Entry) -> str:
    return wording.line(msgspec.structs.replace(entry, text=preview(entry.text)))


def _json(entries: Sequence[Entry]) -> str:
    data: list[dict[str, Any]] = [
        {
            "label": entry.label,
            "text": entry.text,
            "target": entry.place.target,
            "project": entry.folder,
            "always": entry.always,
            **msgspec.to_builtins(entry.facts),
        }
        for entry in entries
    ]
    return json.dumps(data, indent=2, ensure_ascii=False)


def _time(microseconds: int) -> str:
    return f"{datetime.fromtimestamp(microseconds / 1e6, UTC):%Y-%m-%d %H:%M} UTC"
