"""``hermes local``: fetch the model, or say what is there."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, cast

from hermes import CommandContext, HermesError, command, group
from hermes_plugin_local.checks import look

if TYPE_CHECKING:
    from hermes_plugin_local.fetch import Progress
    from hermes_plugin_local.provider import LocalProvider

WIDTH = 30
"""Characters of the bar."""


@group("local", surfaces={"cli"})
async def local(context: CommandContext) -> None:
    """Fetch the small model that runs in this process, or say what is there."""
    await show(context)


@command("fetch", surfaces={"cli"})
async def fetch(context: CommandContext) -> None:
    """Bring the weights of the bundled model into the home (93 MB, once)."""
    file = await _provider(context).fetch(progress(context))
    context.reply(f"The model is here: {file}")


@command("status", surfaces={"cli"})
async def status(context: CommandContext) -> None:
    """Say which model is used, and whether its file is there and whole."""
    await show(context)


local.add_command(fetch)
local.add_command(status)


async def show(context: CommandContext) -> None:
    """List the models of this machine. Raises HermesError where the default one cannot be used."""
    provider = _provider(context)
    for info in await provider.models():
        file = provider.shelf.file(info.name)
        window = f"{info.window} tokens of context" if info.window else "context unknown"
        can = "tools" if info.tools else "no tools"
        there = f"{file.stat().st_size // 1_000_000} MB" if file.is_file() else "not fetched"
        context.reply(f"local:{info.name}  {there}, {window}, {can}\n  {file}")
        if info.summary:
            context.reply(f"  {info.summary}")
    finding = await asyncio.to_thread(look, provider.shelf)
    said = f"{finding.text} ({finding.mend})" if finding.mend else finding.text
    if finding.level == "error":
        raise HermesError(said)
    context.reply(said)


def _provider(context: CommandContext) -> LocalProvider:
    return cast("LocalProvider", context.host.create("providers", "local"))


def progress(context: CommandContext) -> Progress:
    """Draw a bar on the terminal's standard error; elsewhere say each quarter, a line each."""
    said: set[int] = set()

    def bar(done: int, total: int) -> None:
        filled = done * WIDTH // total
        end = "\n" if done >= total else ""
        amount = f"{done // 1_000_000}/{total // 1_000_000} MB"
        sys.stderr.write(f"\r{'█' * filled}{'░' * (WIDTH - filled)} {amount}{end}")
        sys.stderr.flush()

    def lines(done: int, total: int) -> None:
        quarter = done * 4 // total
        if quarter not in said:
            said.add(quarter)
            context.reply(f"Fetching the model: {quarter * 25} % of {total // 1_000_000} MB")

    return bar if sys.stderr.isatty() else lines
