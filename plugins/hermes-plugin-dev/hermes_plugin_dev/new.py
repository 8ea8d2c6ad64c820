"""``hermes plugins new``: begin a plugin that works and is tested from its first minute."""

from __future__ import annotations

from pathlib import Path

import click

import hermes
from hermes import CommandContext, UsageError, command
from hermes_plugin_dev.kinds import KINDS
from hermes_plugin_dev.rendering import PREFIX, plugin_name, render


@command(surfaces={"cli"})
@click.argument("name")
@click.option("--kind", type=click.Choice(sorted(KINDS)), help="What it offers.")
@click.option("--folder", default="", help="Where to; left out, a folder named after it, here.")
@click.option("--author", default="", help="For the licence; left out, as git knows you.")
async def new(
    context: CommandContext, name: str, kind: str | None, folder: str, author: str
) -> None:
    """Begin a plugin: a whole, small, tested distribution."""
    if kind is None:
        width = max(map(len, KINDS))
        rows = [f"  {word:{width}}  {known.summary}" for word, known in KINDS.items()]
        raise UsageError("\n".join(["say which --kind; its template does this:", *rows]))
    name = plugin_name(name)
    place = Path(folder or f"{PREFIX}{name}")
    for file in render(name, kind, place, hermes.__version__, author):
        context.reply(f"{place / file}")
    context.reply(
        f"""
{PREFIX}{name} is made. Go on with:
  cd {place}
  python -m pip install -e . --group dev
  pytest
  hermes plugins check ."""
    )
