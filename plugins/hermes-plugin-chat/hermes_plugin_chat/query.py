"""``hermes chat -q``: one message, shown as at the prompt, and the end."""

from __future__ import annotations

import sys
from contextlib import nullcontext

from hermes import CommandContext
from hermes_plugin_chat.chat import Chat
from hermes_plugin_chat.keyboard import Keyboard
from hermes_plugin_chat.oneshot import raise_for
from hermes_plugin_chat.piped import with_input
from hermes_plugin_chat.request import Request, at_terminal, check_toolsets, conversation
from hermes_plugin_chat.screen import Screen
from hermes_plugin_chat.talk import history_file


async def answer_shown(context: CommandContext, request: Request, prompt: str) -> None:
    """Answer *prompt*, showing text and tools. Raises HermesError where that fails.

    At a terminal, what needs approval is asked for.
    """
    text = with_input(prompt)
    runtime = await context.runtime()
    check_toolsets(runtime, request.toolsets)
    here = await conversation(runtime, request)
    file = history_file(runtime.host)
    with Keyboard(file, lambda text: []) if at_terminal() else nullcontext() as keyboard:
        chat = Chat(runtime, here, request, Screen(), keyboard)
        with chat.signals():
            finished = await chat.show(
                here.send(
                    text,
                    authority=chat.authority,
                    model=request.model,
                    toolsets=request.toolsets,
                    steps=request.steps,
                ),
                failure=False,
            )
    raise_for(finished)
    if not request.incognito:
        Screen(sys.stderr).line(f"hermes -r {here.info.id} goes on with this conversation", "dim")
