"""``hermes learning`` and ``/learning``: what was learnt, from where, and whether it helped."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from hermes import CommandContext, HermesError, UsageError, group
from hermes_plugin_nudges.due import Due, waiting
from hermes_plugin_nudges.ledger import Ledger
from hermes_plugin_nudges.middleware import look_back
from hermes_plugin_nudges.picture import page
from hermes_plugin_nudges.review import Reviews
from hermes_plugin_nudges.summary import Summary, summary
from hermes_plugin_skills.library import Library
from hermes_plugin_skills.workshop import Workshop


@group()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--html", default="", metavar="FILE", help="Write a page to look at.")
async def learning(context: CommandContext, as_json: bool = False, html: str = "") -> None:
    """Show what was learnt, when, from where, how often it helped, and what it cost."""
    host = context.host
    ledger = Ledger(host.context("nudges").paths.data)
    workshop = Workshop(Library(host.context("skills")))
    found = await asyncio.to_thread(summary, ledger, workshop)
    if html:
        if context.surface != "cli":
            raise UsageError("files are written from a shell: hermes learning --html FILE")
        await asyncio.to_thread(_write, html, page(found))
        context.reply(f"Written: {html}")
    elif as_json:
        context.reply(json.dumps(msgspec.to_builtins(found), indent=2, ensure_ascii=False))
    else:
        limit = host.context("nudges").settings.tokens_per_day
        context.reply("\n".join(text(found, limit)))


def text(found: Summary, limit: int) -> list[str]:
    """Write the summary for reading."""
    lines: list[str] = []
    for row in found.skills:
        lines.append(f"{row.name} ({row.state}): {row.description}")
        said = [f"learnt {_day(row.learnt)} from conversation {row.session[:13]}"]
        if row.repaired:
            said.append(f"repaired {', '.join(map(_day, row.repaired))}")
        said.append(f"read {row.views}, helped {row.helped}, failed {row.failed}")
        said.append(f"took {row.tokens:,} tokens")
        if row.before:
            said.append(f"the task: {row.before:,} tokens before, {row.now:,} with it")
            said.append(f"{'saved' if row.saved >= 0 else 'to be earned back'} {abs(row.saved):,}")
        lines.append(f"    {'; '.join(said)}")
    lines += [f"waits: {each.name} ({each.kind}): {each.why}" for each in found.waiting]
    lines += [f"remembered {_day(each.time)}: {each.text}" for each in found.memories[-10:]]
    cost = f", ${found.cost:.4f}" if found.cost else ""
    lines.append(
        f"{found.reviews} looks back, {found.trials} trials, {found.tokens:,} tokens{cost};"
        f" {found.today:,} of {limit:,} tokens in the last 24 hours"
    )
    return lines


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _write(file: str, data: str) -> None:
    try:
        path = Path(file).expanduser()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.write(data)
    except OSError as error:
        raise HermesError(f"{file} cannot be written: {error.strerror}") from None


async def _reviews(context: CommandContext) -> Reviews:
    runtime = await context.runtime()
    return Reviews(runtime.host.context("nudges"))


@learning.command()
@click.argument("session", metavar="[ID|TITLE]", default="")
async def review(context: CommandContext, session: str) -> None:
    """Look back now: at one conversation, or at all that wait."""
    reviews = await _reviews(context)
    store = reviews.runtime.store
    if session:
        info = await reviews.runtime.find(session)
        conversation = await reviews.runtime.conversation(id=info.id)
        due = Due(
            session=info.id,
            turn=f"asked-{info.id}-{info.head}-{time.time_ns()}",
            why=("asked",),
            person=info.person,
            role="owner",
            model=await conversation.model(),
        )
        await store.commit((due.change(),))
    found = await waiting(store)
    for each in found:
        for line in await look_back(reviews, each):
            context.reply(line)
    context.reply(f"Looked back at {len(found)}: hermes learning shows what came of it.")


@learning.command(name="try")
@click.argument("name")
@click.option("--commands", is_flag=True, help="It may run commands, in a folder made for it.")
@click.option("--model", default="", help="PROVIDER:NAME that tries it.")
async def try_(context: CommandContext, name: str, commands: bool, model: str) -> None:
    """Try what waits in quarantine by its checks, and let it in if they pass."""
    reviews = await _reviews(context)
    candidate = await asyncio.to_thread(reviews.workshop.candidate, name)
    if candidate is None:
        raise UsageError(f"nothing waits under {name!r}: hermes skills list")
    runtime = reviews.runtime
    kernel: Any = runtime.host.config.section("hermes")
    due = Due(
        session=candidate.session,
        turn="",
        why=("asked",),
        person=context.person,
        role=context.role,
        model=runtime.models.resolve(model or kernel.model or "local"),
    )
    here = runtime.unborn(None, "", candidate.session or "trial", person=context.person)
    judged = await reviews.tried(candidate, due, here, commands=commands)
    context.reply(f"{name}: {judged.check.verdict}. {judged.check.detail}")
    if judged.check.verdict == "passed":
        for line in await reviews.let_in(judged, due, here):
            context.reply(line)


@learning.command()
@click.argument("name", default="", metavar="[SKILL]")
async def check(context: CommandContext, name: str) -> None:
    """Play the recorded checks of learnt skills back: no model is asked, the tools are real."""
    reviews = await _reviews(context)
    listed = await asyncio.to_thread(reviews.workshop.library.usable)
    names = [name] if name else [e.skill.name for e in listed if e.skill.origin == "agent"]
    bad = 0
    for each in names:
        for where, tried in await reviews.recheck(each):
            if tried is None:
                context.reply(f"{each} {where}: not recorded")
                continue
            bad += not tried.passed
            context.reply(f"{each} {where}: {'; '.join(tried.unmet) or 'as recorded'}")
    if bad:
        raise HermesError(f"{bad} checks do not come out as they did")


@learning.command()
async def tidy(context: CommandContext) -> None:
    """Archive what Hermes learnt and nobody used for long."""
    names = await (await _reviews(context)).tidy()
    context.reply(f"Archived: {', '.join(names)}" if names else "Nothing is that old.")
