"""``hermes chat``: what was asked for on the command line, and which way of talking that means.

Answering one prompt must start fast, so this module imports nothing that only a person at a prompt
needs; each way is imported when it is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hermes import CommandContext, Refused, UsageError, command
from hermes_plugin_chat.request import Request
from hermes_plugin_chat.stopping import ending


@command(surfaces={"cli"}, role="user")
@click.option("-z", "--oneshot", metavar="PROMPT", help="Print only the answer; - reads a pipe.")
@click.option("-q", "--query", metavar="TEXT", help="Answer one message, showing tools, and end.")
@click.option("-m", "--model", default="", metavar="PROVIDER:MODEL", help="Use this model.")
@click.option("-t", "--toolsets", default="", metavar="NAMES", help="Only these, with commas.")
@click.option(
    "-c", "--continue", "again", is_flag=True, help="Go on with the last conversation here."
)
@click.option("-r", "--resume", default="", metavar="ID|TITLE", help="Go on with a conversation.")
@click.option("--incognito", is_flag=True, help="Keep nothing: it is gone at the end.")
@click.option("--yolo", is_flag=True, help="Approve every tool call without asking.")
@click.option("--max-turns", type=click.IntRange(1), help="Model calls a message may take.")
@click.option("--no-stream", is_flag=True, help="Show text when it is whole.")
@click.option("--usage-file", metavar="FILE", help="Write what -z used, as JSON.")
async def chat(context: CommandContext, **given: Any) -> None:
    """Talk to Hermes; without -z or -q, at a prompt."""
    request = Request(
        model=given["model"],
        toolsets=tuple(name.strip() for name in given["toolsets"].split(",") if name.strip()),
        again=given["again"],
        resume=given["resume"],
        yolo=given["yolo"],
        role=context.role,
        incognito=given["incognito"],
        steps=given["max_turns"],
        stream=not given["no_stream"],
        directory=str(Path.cwd()),
    )
    oneshot, query = given["oneshot"], given["query"]
    if oneshot is not None and query is not None:
        raise UsageError("-z and -q are two ways of the same: give one")
    if request.again and request.resume:
        raise UsageError("-c goes on with the last conversation, -r with another: give one")
    if given["usage_file"] and oneshot is None:
        raise UsageError("--usage-file goes with -z")
    if request.incognito and (request.again or request.resume):
        raise UsageError("--incognito begins anew; -c and -r go on with what was kept")
    if request.incognito:
        context.host.go_incognito()
    if request.yolo and context.role != "owner":
        raise Refused("--yolo is refused to a Hermes that a tool of Hermes started")
    with ending():
        if oneshot is not None:
            from hermes_plugin_chat.oneshot import answer  # noqa: PLC0415

            await answer(context, request, oneshot, given["usage_file"] or "")
        elif query is not None:
            from hermes_plugin_chat.query import answer_shown  # noqa: PLC0415

            await answer_shown(context, request, query)
        else:
            from hermes_plugin_chat.talk import talk  # noqa: PLC0415

            await talk(context, request)
