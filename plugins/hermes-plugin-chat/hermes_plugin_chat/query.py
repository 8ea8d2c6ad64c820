"""``hermes chat -q``: one message, shown as at the prompt, and the end."""

from __future__ import annotations

import sys

from hermes import CommandContext
from hermes_plugin_chat.chat import show_once
from hermes_plugin_chat.oneshot import raise_for
from hermes_plugin_chat.piped import with_input
from hermes_plugin_chat.request import Request, check_toolsets, conversation
from hermes_plugin_chat.screen import Screen


async def answer_shown(context: CommandContext, request: Request, prompt: str) -> None:
    """Answer *prompt*, showing text and tools. Raises HermesError where that fails."""
    text = with_input(prompt)
    runtime = await context.runtime()
    check_toolsets(runtime, request.toolsets)
    here = await conversation(runtime, request)
    finished = await show_once(runtime, here, request, text)
    raise_for(finished)
    Screen(sys.stderr).line(f"hermes -r {here.info.id} goes on with this conversation", "dim")
