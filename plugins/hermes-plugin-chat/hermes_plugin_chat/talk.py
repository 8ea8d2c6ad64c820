"""``hermes`` and ``hermes chat``: a conversation at a prompt, or with lines from a pipe."""

from __future__ import annotations

from contextlib import nullcontext

from hermes import CommandContext
from hermes_plugin_chat.chat import Chat
from hermes_plugin_chat.keyboard import Keyboard
from hermes_plugin_chat.lines import PipedLines
from hermes_plugin_chat.request import Request, at_terminal, check_toolsets, conversation
from hermes_plugin_chat.screen import Screen

HISTORY = "history"
"""File in the home."""


async def talk(context: CommandContext, request: Request) -> None:
    """Talk until the person leaves."""
    runtime = await context.runtime()
    check_toolsets(runtime, request.toolsets)
    here = await conversation(runtime, request)
    if request.model:
        await here.use_model(request.model)
    file = runtime.host.paths.home / HISTORY
    with (
        Keyboard(file, runtime.host.slash.complete) if at_terminal() else nullcontext() as keyboard
    ):
        chat = Chat(runtime, here, request, Screen(), keyboard)
        with chat.signals():
            await chat.run(keyboard or PipedLines())
