"""The command, in a shell and in every chat."""

from __future__ import annotations

import click
from hermes import CommandContext, Rest, command

from hermes_plugin_weather.service import tell


@command(role="guest")
@click.option("--days", default=3, show_default=True, help="How far ahead.")
@click.argument("place", type=Rest(), default="")
async def weather(context: CommandContext, days: int, place: str) -> None:
    """Tell the weather of the next days at PLACE, or at your own."""
    settings = context.host.context("weather").settings
    context.reply(await tell(place or settings.place, days, settings))
