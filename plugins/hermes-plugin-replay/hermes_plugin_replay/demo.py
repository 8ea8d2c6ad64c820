"""``hermes demo``: a task whose model answers are scripted and whose tools run for real."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from hermes import (
    Allowance,
    Authority,
    CommandContext,
    Event,
    HermesError,
    TextChunk,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    command,
)

TASK = "Write a shopping list to a file, sort it with a command, and tell me what is on it."
MADE = "sorted.txt"
WHY = "hermes demo, in a folder made for it"


@command(surfaces={"cli"})
async def demo(context: CommandContext) -> None:
    """See a small task run: the model's answers are scripted, everything else is real.

    The agent loop, the tools, the permissions and the journal are those of every conversation. The
    files lie in a folder of their own, which is removed in the end.
    """
    context.reply(
        "This is a demonstration. The model's answers are SCRIPTED: no model is asked, and no key"
        " is needed.\nThe tools run for real, in a temporary folder, and the journal keeps it all."
    )
    runtime = await context.runtime()
    with a_folder() as workspace:
        conversation = await runtime.conversation(new=True, directory=workspace)
        context.reply(f"\nFolder: {workspace}\nYou: {TASK}")
        events = conversation.send(TASK, authority=authority(workspace), model="replay:demo")
        await show(context, events)
        context.reply(f"\nOn disk, {MADE}: {', '.join(lines_of(Path(workspace, MADE)))}")
    context.reply(
        f"The folder is gone; the conversation is kept: hermes sessions show {conversation.info.id}"
    )


@contextmanager
def a_folder() -> Iterator[str]:
    """Make a folder for as long as it is used; give its real path, as allowances want it."""
    with tempfile.TemporaryDirectory(prefix="hermes-demo-") as folder:
        yield os.path.realpath(folder)


def lines_of(made: Path) -> list[str]:
    """Read what the tools made. Raises HermesError where they made nothing."""
    lines = made.read_text().split() if made.is_file() else []
    if not lines:
        raise HermesError(
            "the demonstration's tools did not do their work: it needs the plugins files, shell,"
            " todo, local-terminal and approvals (hermes plugins), and terminal.backend: local"
        )
    return lines


def authority(workspace: str) -> Authority:
    """Allow what the script does, and no more: nobody is asked during a demonstration."""
    files = Allowance("demo-files", frozenset({"read", "write"}), folders=(workspace,), why=WHY)
    shell = Allowance(
        "demo-shell", frozenset({"read", "write", "run"}), tools=("terminal",), why=WHY
    )
    return Authority("cli", role="owner", allowances=(files, shell))


async def show(context: CommandContext, events: AsyncIterator[Event]) -> None:
    """Print a turn in lines: what the model says, each tool call and what came of it."""
    said, step, started = "", 0, set[str]()
    async for event in events:
        match event:
            case TextChunk(text=text):
                said = (said if event.step == step else _say(context, said)) + text
                step = event.step
            case ToolStarted(id=id, tool=tool, arguments=arguments):
                said = _say(context, said)
                started.add(id)
                context.reply(f"  → {tool} {_line(arguments)}")
            case ToolFinished(id=id, tool=tool, text=text, is_error=is_error):
                said = _say(context, said)
                which = "" if id in started else f"{tool}: "  # it was not allowed to start
                context.reply(f"  {'✗' if is_error else '✓'} {which}{_line(text)}")
            case TurnFinished(status=status, reply=reply):
                if status != "ok":
                    raise HermesError(reply)
                _say(context, said or reply)


def _say(context: CommandContext, text: str) -> str:
    if text.strip():
        context.reply(f"Hermes (scripted): {text.strip()}")
    return ""


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:99] + "…"
