"""``hermes skills`` and ``/skills``: what there is, where it came from, what may be used."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from hermes import CommandContext, Question, UsageError, group
from hermes_plugin_skills import disk, reading
from hermes_plugin_skills.install import Installer
from hermes_plugin_skills.library import Entry, Library, Lock
from hermes_plugin_skills.publish import publish as published
from hermes_plugin_skills.skill import SkillError, linked
from hermes_plugin_skills.workshop import Candidate, Workshop

as_json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
new_signer_option = click.option(
    "--new-signer", is_flag=True, help="Agree to another key than the one that signed before."
)


def library(context: CommandContext) -> Library:
    """Give the skills of this home."""
    return Library(context.host.context("skills"))


def installer(context: CommandContext) -> Installer:
    """Give what installs into this home; git gets an allowlist of the environment."""
    import os  # noqa: PLC0415

    names = ("PATH", "HOME", "LANG", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "HTTPS_PROXY")
    return Installer(library(context), {n: os.environ[n] for n in names if n in os.environ})


@group()
@as_json_option
async def skills(context: CommandContext, as_json: bool = False) -> None:
    """List skills, bring them in, look them over, say which may be used."""
    await _list(context, as_json)


@skills.command("list")
@as_json_option
async def list_(context: CommandContext, as_json: bool) -> None:
    """List skills with where they come from, their state and how often they were used."""
    await _list(context, as_json)


async def _list(context: CommandContext, as_json: bool) -> None:
    books = library(context)
    every = await asyncio.to_thread(books.all)
    waiting = await asyncio.to_thread(Workshop(books).candidates)
    if as_json:
        listed = [
            {
                "name": each.skill.name,
                "category": each.skill.category,
                "description": each.skill.description,
                "origin": each.skill.origin,
                "state": each.state,
                "folder": str(each.skill.folder),
                "use": msgspec.to_builtins(each.use),
            }
            for each in every
        ]
        data = {"skills": listed, "quarantine": msgspec.to_builtins(waiting)}
        context.reply(json.dumps(data, indent=2, ensure_ascii=False))
        return
    rows = [
        (
            each.skill.name,
            each.skill.origin,
            each.state + (" pinned" if each.use.pinned else ""),
            f"{each.use.views} read, {each.use.helped} helped, {each.use.failed} failed",
            each.skill.description[:60],
        )
        for each in every
    ]
    context.reply("\n".join(_table(rows)) or "There are no skills yet.")
    for candidate in waiting:
        why = await asyncio.to_thread(Workshop(books).obstacle, candidate)
        context.reply(f"in quarantine: {candidate.name} ({candidate.kind}): {why or 'ready'}")


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]) - 1)] if rows else []
    return [
        "  ".join(
            [*(f"{cell:{w}}" for cell, w in zip(row, widths, strict=False)), row[-1]]
        ).rstrip()
        for row in rows
    ]


@skills.command()
@click.argument("name")
async def show(context: CommandContext, name: str) -> None:
    """Show a skill as a model reads it, in quarantine or not."""
    workshop = Workshop(library(context))
    candidate = await asyncio.to_thread(workshop.candidate, name)
    live = await asyncio.to_thread(workshop.live, name)
    if candidate is not None:
        context.reply(f"In quarantine:\n{await asyncio.to_thread(workshop.difference, candidate)}")
    elif live is None:
        raise UsageError(f"there is no skill {name!r}; hermes skills list")
    else:
        context.reply(reading.page(live, workshop.library.settings, ""))


@skills.command()
@click.argument("source")
async def inspect(context: CommandContext, source: str) -> None:
    """Say what a source holds without keeping anything: SOURCE as in `install`."""
    for name, description, signer, files, findings in await asyncio.to_thread(
        installer(context).look, source
    ):
        context.reply(f"{name}: {description}")
        context.reply(f"  signed by {signer}" if signer else "  signed by nobody")
        context.reply(f"  files: {', '.join(files)}")
        for found in findings:
            context.reply(f"  look at {found}")


@skills.command()
@click.argument("source")
@click.option("--skill", "only", default="", help="One of several that the source holds.")
@new_signer_option
@yes_option
async def install(
    context: CommandContext, source: str, only: str, new_signer: bool, yes: bool
) -> None:
    """Bring skills in from SOURCE: a folder, OWNER/REPO, a git address, an https address of a
    SKILL.md or of a site that lists skills.
    """
    made = installer(context)
    brought = await asyncio.to_thread(made.bring, source, only=only, new_signer=new_signer)
    for candidate in brought:
        await _let_in(context, made.workshop, candidate, yes=yes)


@skills.command()
@click.argument("name", nargs=-1)
@new_signer_option
@yes_option
async def update(context: CommandContext, name: Sequence[str], new_signer: bool, yes: bool) -> None:
    """Ask where installed skills came from whether there is something newer."""
    made = installer(context)
    problems = 0
    for each, entry in await asyncio.to_thread(made.outdated, list(name)):
        try:
            brought = await asyncio.to_thread(
                made.bring, entry.source, only=each, new_signer=new_signer, update=True
            )
        except SkillError as error:
            context.reply(f"{each}: {error}")
            problems += 1
            continue
        for candidate in brought:
            context.reply(await asyncio.to_thread(made.workshop.difference, candidate))
            await _let_in(context, made.workshop, candidate, yes=yes)
        if not brought:
            context.reply(f"{each} is what {entry.source} has")
    if problems:
        raise SkillError(f"{problems} could not be updated")


async def _let_in(
    context: CommandContext, workshop: Workshop, candidate: Candidate, *, yes: bool
) -> None:
    """Ask the person and do as they say; what nobody decides about stays in quarantine."""
    name = candidate.name
    about = [f"{name} from {candidate.source or 'this home'}"]
    if candidate.kind == "install":
        about.append(f"signed by {candidate.signer}" if candidate.signer else "signed by nobody")
    about += [f"look at {found}" for found in candidate.findings]
    choice = "yes"
    if not yes:
        question = Question("\n  ".join([*about, "Use it?"]), ("yes", "no"), seconds=600)
        reply = await context.ask(question)
        choice = reply.choice if reply.by or reply.choice != "deny" else "later"
    if choice == "yes":
        skill = await asyncio.to_thread(workshop.promote, name, person=context.person)
        context.reply(
            "\n  ".join([f"{name} is in use ({skill.folder})", *(about[1:] if yes else [])])
        )
    elif choice == "no":
        await asyncio.to_thread(workshop.discard, name)
        context.reply(f"{name} was not let in.")
    else:
        context.reply(
            "\n  ".join([f"{name} waits in quarantine: hermes skills accept {name}", *about])
        )


@skills.command()
@click.argument("name", nargs=-1)
@as_json_option
async def audit(context: CommandContext, name: Sequence[str], as_json: bool) -> None:
    """Look skills over, offline: are they what was let in, who signed them, what wants a look."""
    reports = await asyncio.to_thread(installer(context).audit, list(name))
    if as_json:
        context.reply(json.dumps(msgspec.to_builtins(reports), indent=2, ensure_ascii=False))
    for each in () if as_json else reports:
        signed = f", signed by {each.signer}" if each.signer else ""
        context.reply(f"{each.name}: {each.origin}, {each.state}{signed}")
        for line in (*(f"changed: {file}" for file in each.changed), each.problem):
            context.reply(f"  {line}") if line else None
        for found in each.findings:
            context.reply(f"  look at {found}")
    bad = [each.name for each in reports if not each.sound]
    if bad:
        raise SkillError(f"not as it should be: {', '.join(bad)}")


@skills.command()
@click.argument("name")
async def uninstall(context: CommandContext, name: str) -> None:
    """Take a skill that was installed out of use. It goes to the archive."""
    workshop = Workshop(library(context))
    entry = workshop.library.lock().skills.get(name)
    if entry is None or not entry.source:
        raise UsageError(f"{name} was not installed from anywhere: hermes skills archive {name}")
    await asyncio.to_thread(workshop.archive, name, why="uninstalled")
    context.reply(f"{name} is uninstalled; hermes skills restore {name} brings it back")


@skills.command()
@click.argument("name")
@click.argument("site")
@click.option("--key", default="", metavar="FILE", help="SSH key to sign it with.")
async def publish(context: CommandContext, name: str, site: str, key: str) -> None:
    """Write a skill into the folder SITE, which a web server or a git repository can give to
    others. NAME is a skill or a folder.
    """
    if context.surface != "cli":
        raise UsageError("files are written from a shell: hermes skills publish")

    def written() -> tuple[str, str]:
        folder = Path(name).expanduser()
        if not (folder / "SKILL.md").is_file():
            folder = library(context).find(name).folder
        return published(folder, Path(site).expanduser(), Path(key).expanduser() if key else None)

    made, signer = await asyncio.to_thread(written)
    said = f"signed by {signer}" if signer else "not signed (--key)"
    context.reply(f"{made} is in {site}, {said}")


# a person's word --------------------------------------------------------------------------------


@skills.command()
@click.argument("name")
async def accept(context: CommandContext, name: str) -> None:
    """Let a skill, or a change of one, out of quarantine."""
    workshop = Workshop(library(context))
    skill = await asyncio.to_thread(workshop.promote, name, person=context.person)
    context.reply(f"{name} is in use ({skill.folder})")


@skills.command()
@click.argument("name")
async def discard(context: CommandContext, name: str) -> None:
    """Throw out what waits in quarantine."""
    await asyncio.to_thread(Workshop(library(context)).discard, name)
    context.reply(f"{name} is out of quarantine")


@skills.command()
@click.argument("name", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that nobody vouched for yet.")
async def trust(context: CommandContext, name: Sequence[str], every: bool) -> None:
    """Say that a skill that lies in skills/ may be used: it is yours from now on."""
    books = library(context)
    if bool(name) == every:
        raise UsageError("name skills, or say --all")

    def trusted() -> list[str]:
        found = {e.skill.name: e for e in books.all() if e.state in ("untrusted", "changed")}
        wanted = sorted(found) if every else list(name)
        if missing := [each for each in wanted if each not in found]:
            raise SkillError(f"{missing[0]} is no skill that waits to be trusted")
        with disk.locked(books.root):
            lock = books.lock(held=True)
            new = {
                each: Entry(
                    origin="own",
                    path=found[each].skill.folder.relative_to(books.root).as_posix(),
                    time=int(time.time()),
                )
                for each in wanted
            }
            books.keep(Lock({**lock.skills, **new}))
            for each in wanted:
                books.usage.change(each, fresh=True)
        return wanted

    names = await asyncio.to_thread(trusted)
    context.reply(f"In use: {', '.join(names)}" if names else "Nothing waits to be trusted.")


@skills.command()
@click.argument("name")
async def pin(context: CommandContext, name: str) -> None:
    """Keep a skill as it is and in the index, used or not."""
    await _use(context, name, pinned=True)
    context.reply(f"{name} is pinned")


@skills.command()
@click.argument("name")
async def unpin(context: CommandContext, name: str) -> None:
    """Let a skill be changed, rest and go again."""
    await _use(context, name, pinned=False)
    context.reply(f"{name} is not pinned")


async def _use(context: CommandContext, name: str, **fields: Any) -> None:
    books = library(context)

    def change() -> None:
        books.find(name)
        with disk.locked(books.root):
            books.usage.change(name, **fields)

    await asyncio.to_thread(change)


@skills.command()
@click.argument("name")
async def archive(context: CommandContext, name: str) -> None:
    """Take a skill out of use; it can be restored."""
    await asyncio.to_thread(Workshop(library(context)).archive, name, why="archived by a person")
    context.reply(f"{name} is archived")


@skills.command()
@click.argument("name")
async def restore(context: CommandContext, name: str) -> None:
    """Bring back what was archived last under this name."""
    skill = await asyncio.to_thread(Workshop(library(context)).restore, name)
    context.reply(
        f"{name} is in use again ({skill.folder}), with {len(linked(skill.folder))} files"
    )
