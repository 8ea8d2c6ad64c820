"""``hermes`` and ``hermes chat``: a conversation at a prompt, or with lines from a pipe."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from hermes import CommandContext
from hermes_plugin_chat.chat import Chat
from hermes_plugin_chat.keyboard import Keyboard
from hermes_plugin_chat.lines import PipedLines
from hermes_plugin_chat.request import Request, at_terminal, check_toolsets, conversation
from hermes_plugin_chat.screen import Screen

if TYPE_CHECKING:
    from hermes.plugins import Host

HISTORY = "history"
"""File in the home."""


def history_file(host: Host) -> Path:
    """Where what was typed is kept; of what is incognito, as long as it lasts."""
    return (host.paths.run if host.incognito else host.paths.home) / HISTORY


async def talk(context: CommandContext, request: Request) -> None:
    """Talk until the person leaves."""
    runtime = await context.runtime()
    check_toolsets(runtime, request.toolsets)
    here = await conversation(runtime, request)
    if request.model:
        await here.use_model(request.model)
    file = history_file(runtime.host)
    with (
        Keyboard(file, runtime.host.slash.complete) if at_terminal() else nullcontext() as keyboard
    ):
        screen = Screen()
        if request.incognito and screen.live:
            screen.line("Incognito: nothing of this is kept, and nothing is remembered.", "dim")
        chat = Chat(runtime, here, request, screen, keyboard)
        with chat.signals():
            await chat.run(keyboard or PipedLines())
