"""``/rollback`` in a conversation, and ``hermes checkpoints`` for the whole home."""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Iterable
from pathlib import Path

import click

from hermes import CommandContext, HermesError, Question, UsageError, command, group
from hermes_plugin_checkpoints.entries import Call, Change, Entry, by_turn
from hermes_plugin_checkpoints.middleware import ASKED, TOLD, Told
from hermes_plugin_checkpoints.restore import Plan, apply, plan
from hermes_plugin_checkpoints.settings import Settings
from hermes_plugin_checkpoints.store import Remembered

SHOWN = 8_000
"""Characters of a difference that a chat gets."""


def remembered(context: CommandContext) -> Remembered:
    """Open what is kept of the context's home."""
    found = context.host.context("checkpoints")
    settings: Settings = found.settings
    return Remembered(found.paths.data, settings, found.paths.home, found.secrets.holds)


@command(surfaces={"chat"}, role="owner")
@click.argument("turns", type=click.IntRange(1), required=False)
@click.argument("file", default="")
@click.option("--diff", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--all", "force", is_flag=True, help="Also files that changed since.")
async def rollback(
    context: CommandContext, turns: int | None, file: str, diff: bool, force: bool
) -> None:
    """Undo what the agent did to files in its last TURNS turns; without a number, list them.

    Only what the agent wrote goes back. A file that somebody changed since stays as it is.
    """
    session = context.session
    if session is None:
        raise UsageError("there is no conversation here")
    kept = remembered(context)
    listed = by_turn(await asyncio.to_thread(kept.entries, session.id))
    if not listed:
        return context.reply("The agent has changed no files in this conversation.")
    state = context.host.context("checkpoints").state
    if turns is None:
        asked = await state.get(ASKED, scope="session", of=session.id) or {}
        return context.reply(_listing(listed, asked))
    if turns > len(listed):
        raise UsageError(f"there are {len(listed)} turns that changed files")
    entries = [entry for turn in reversed(listed[:turns]) for entry in turn]
    found = await asyncio.to_thread(plan, entries, kept.now, only=file, force=force)
    if not found.changes and not found.kept and not found.missed:
        return context.reply(f"Nothing to undo{f' in {file}' if file else ''}: it is as it was.")
    if diff:
        return context.reply(await asyncio.to_thread(_difference, kept, found))
    done, failed = await asyncio.to_thread(apply, kept.git, found.changes)
    if done:
        call = Call(session.id, f"rollback-{time.time_ns()}", f"/rollback {turns}", "")
        await asyncio.to_thread(kept.keep, call, tuple(done))
        told = str(Told(tuple(change.path for change in done)))
        await state.set(TOLD, told, scope="session", of=session.id)
    return context.reply(_report(done, found, failed, bool(force)))


def _listing(turns: list[list[Entry]], asked: dict[str, str]) -> str:
    lines = []
    for number, entries in enumerate(turns[:20], 1):
        paths = list(dict.fromkeys(change.path for entry in entries for change in entry.changes))
        names = ", ".join(Path(path).name for path in paths[:3])
        more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
        cut = " (cut short: --all)" if any(entry.cut for entry in entries) else ""
        call = entries[0].call
        title = " ".join(asked.get(call.turn, call.tool).split())[:60]
        lines.append(f"{number}. {_ago(entries[-1].time)}: {title}{cut}")
        lines += [f"   {names}{more}"] if names else []
        missed = dict.fromkeys(entry.missed for entry in entries if entry.missed)
        lines += [f"   not all is remembered: {why}" for why in missed]
    lines.append("/rollback N undoes the last N; /rollback N --diff shows it first.")
    return "\n".join(lines)


def _report(done: list[Change], found: Plan, failed: dict[str, str], force: bool) -> str:
    words = {(True, True): "restored", (False, True): "brought back", (True, False): "removed"}
    lines = [f"{words[bool(c.before), bool(c.after)]}: {c.path}" for c in done]
    lines += [f"left alone, {why}: {path}" for path, why in found.kept.items()]
    lines += [f"not restored, {why}: {path}" for path, why in failed.items()]
    lines += [f"not all was remembered: {why}" for why in found.missed]
    if found.could and not force:
        lines.append("--all restores those that others changed, too.")
    return "\n".join(lines)


def _difference(kept: Remembered, found: Plan) -> str:
    text = "".join(_of_file(kept, change) for change in found.changes)
    text += "".join(f"# left alone, {why}: {path}\n" for path, why in found.kept.items())
    text += "".join(f"# not all was remembered: {why}\n" for why in found.missed)
    more = len(text) - SHOWN
    return text if more <= 0 else f"{text[:SHOWN]}\n[… {more} more characters]"


def _of_file(kept: Remembered, change: Change) -> str:
    sides = [
        kept.git.contents(side.blob) if side else b"" for side in (change.before, change.after)
    ]
    if any(b"\0" in side for side in sides):
        return f"# binary: {change.path}\n"
    modes = [side.bits if side else 0 for side in (change.before, change.after)]
    if sides[0] == sides[1] and all(modes):
        return f"# mode {modes[0]:o} -> {modes[1]:o}: {change.path}\n"
    before, after = (side.decode("utf-8", "replace").splitlines(keepends=True) for side in sides)
    lines = difflib.unified_diff(before, after, change.path, f"{change.path} (restored)")
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _ago(moment: float) -> str:
    seconds = max(0, int(time.time() - moment))
    for size, word in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {word} ago"
    return "just now" if seconds < 60 else "a minute ago"


# for the whole home -----------------------------------------------------------------------------


@group(surfaces={"cli"})
async def checkpoints(context: CommandContext) -> None:
    """Show what is remembered of files, and how much room it takes."""
    await _status(context, 20)


@checkpoints.command()
@click.option("--limit", type=click.IntRange(1), default=20, help="Folders that are listed.")
async def status(context: CommandContext, limit: int) -> None:
    """Show what is remembered of files, and how much room it takes."""
    await _status(context, limit)


@checkpoints.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, help="Folders that are listed.")
async def list_(context: CommandContext, limit: int) -> None:
    """The same as status."""
    await _status(context, limit)


async def _status(context: CommandContext, limit: int) -> None:
    kept = remembered(context)
    entries = await asyncio.to_thread(kept.entries)
    size = await asyncio.to_thread(kept.size)
    context.reply(f"{len(entries)} changes of files, {size / 1e6:.1f} MB in {kept.folder}")
    folders = {entry.call.directory for entry in entries if entry.call.directory}
    for folder in sorted(folders, key=lambda name: -_last(entries, name))[:limit]:
        mine = [entry for entry in entries if entry.call.directory == folder]
        gone = "" if await asyncio.to_thread(Path(folder).is_dir) else " (gone)"
        context.reply(f"{folder}{gone}: {len(mine)} changes, last {_ago(_last(entries, folder))}")


def _last(entries: Iterable[Entry], folder: str) -> float:
    return max(entry.time for entry in entries if entry.call.directory == folder)


@checkpoints.command()
@click.option("--retention-days", type=click.FloatRange(0), help="Drop what is older.")
@click.option("--max-size-mb", type=click.FloatRange(0), help="Then the oldest, down to this size.")
async def prune(
    context: CommandContext, retention_days: float | None, max_size_mb: float | None
) -> None:
    """Drop what is old, and free the room."""
    given = {"retention_days": retention_days, "max_total_size_mb": max_size_mb}
    kept = remembered(context)
    kept.narrow({name: value for name, value in given.items() if value is not None})
    before = await asyncio.to_thread(kept.size)
    dropped = await asyncio.to_thread(kept.prune)
    freed = before - await asyncio.to_thread(kept.size)
    context.reply(f"dropped {dropped} changes, freed {max(0, freed) / 1e6:.1f} MB")


@checkpoints.command()
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
async def clear(context: CommandContext, force: bool) -> None:
    """Forget everything: nothing can be undone after it."""
    if not force:
        question = Question("Forget everything that /rollback could undo?", choices=("yes", "no"))
        if (await context.ask(question)).choice != "yes":
            raise HermesError("nothing was cleared (-f does not ask)")
    await asyncio.to_thread(remembered(context).clear)
    context.reply("cleared")
