"""The command `old-command`: one definition for the shell and for chats."""

from __future__ import annotations

from pathlib import Path

import click
from hermes import CommandContext, UsageError, command


@command("old-command", role="user")
@click.option("--done", type=int, help="Take away the note of this number.")
@click.argument("words", nargs=-1)
async def notes(context: CommandContext, done: int | None, words: tuple[str, ...]) -> None:
    """List the notes, or add one."""
    file = context.host.context("old-command").paths.data / "notes.txt"
    kept = read(file)
    if done is not None:
        if not 1 <= done <= len(kept):
            raise UsageError(f"there is no note {done}; there are {len(kept)}")
        context.reply(f"Done: {kept.pop(done - 1)}")
        write(file, kept)
    elif words:
        kept.append(" ".join(" ".join(words).split()))
        write(file, kept)
        context.reply(f"Noted as {len(kept)}.")
    else:
        lines = [f"{number}. {note}" for number, note in enumerate(kept, 1)]
        context.reply("\n".join(lines) or "There are no notes.")


def read(file: Path) -> list[str]:
    """Give the notes, a line each."""
    return file.read_text("utf-8").splitlines() if file.exists() else []


def write(file: Path, kept: list[str]) -> None:
    """Replace the file in one step: a stop in between loses nothing."""
    new = file.with_suffix(".new")
    new.write_text("".join(f"{note}\n" for note in kept), "utf-8")
    new.replace(file)
