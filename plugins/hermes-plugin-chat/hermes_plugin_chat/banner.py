"""What a person sees first: which model, which tools, which conversation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hermes import HermesError, ModelInfo, __version__
from hermes_plugin_chat.request import Request
from hermes_plugin_chat.screen import Screen, clip

if TYPE_CHECKING:
    from hermes.conversation import Conversation
    from hermes.runtime import Runtime

BETTER = (
    "For a model that uses tools: hermes model lists them, hermes model PROVIDER:MODEL chooses."
)
SHOWN = 300
"""Characters of the last message that a recap shows."""


async def banner(screen: Screen, runtime: Runtime, here: Conversation, request: Request) -> None:
    """Show which model, tools and conversation these are."""
    screen.line()
    model, info, wrong = await _model(runtime, here)
    toolsets = runtime.tools.names(request.toolsets)
    tools = ", ".join(toolsets) if info.tools and toolsets else "no tools"
    title = here.info.title or f"conversation {short(here.info.id)}"
    dot = screen.symbols.note
    name = screen.style(f"Hermes {__version__}", "bold")
    about = clip(f"{model or 'no model'} {dot} {title}", screen.width - 16)
    screen.begin(f"{name}  {about}")
    screen.finish("")
    screen.line(clip(f"{home(here.info.directory)} {dot} {tools}", screen.width - 1), "dim")
    if wrong:
        screen.line(wrong, "red")
    if info.summary:
        screen.line(info.summary, "yellow")
    if not info.tools:
        screen.line(BETTER, "dim")
    screen.line("/help lists commands; Ctrl+C stops an answer, Ctrl+D leaves", "dim")
    screen.line()


async def _model(runtime: Runtime, here: Conversation) -> tuple[str, ModelInfo, str]:
    """Give the model's name, what is known of it, and what is wrong with it."""
    try:
        model = await here.model()
        return model, await runtime.models.info(model), ""
    except HermesError as error:
        return "", ModelInfo(""), str(error)


async def recap(screen: Screen, here: Conversation) -> None:
    """Show where the conversation was left."""
    messages = [message for message in await here.messages() if message.text.strip()]
    said = [message for message in messages if message.role == "user"][-1:]
    answered = [message for message in messages if message.role == "assistant"][-1:]
    for mark, message in [*((">", each) for each in said), *((" ", each) for each in answered)]:
        screen.line(f"{mark} {clip(message.text[: 4 * SHOWN], SHOWN)}", "dim")
    if said:
        screen.line()


def short(id: str) -> str:
    """Give as much of an id as tells it from others: its end is random, its beginning time."""
    return id[:13]


def home(directory: str) -> str:
    """Write the home folder as ``~``."""
    mine = str(Path.home())
    inside = directory == mine or directory.startswith(mine + "/")
    return "~" + directory[len(mine) :] if inside else directory
