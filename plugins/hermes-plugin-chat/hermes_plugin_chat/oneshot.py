"""``hermes -z``: one prompt, and nothing but the final text on standard output."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from hermes import CommandContext, HermesError, TurnFinished
from hermes_plugin_chat.piped import with_input
from hermes_plugin_chat.request import Request, check_toolsets, conversation
from hermes_plugin_chat.stopping import Stopped, stopping


async def answer(context: CommandContext, request: Request, prompt: str, usage_file: str) -> None:
    """Answer *prompt*. Raises HermesError with the line to show where that fails."""
    text = with_input(prompt)
    runtime = await context.runtime()
    check_toolsets(runtime, request.toolsets)
    here = await conversation(runtime, request)
    finished = TurnFinished("failed", "The turn did not end.")
    with stopping(runtime, here.info.id):
        async for event in here.send(
            text,
            authority=request.authority(can_ask=False),
            model=request.model,
            toolsets=request.toolsets,
            steps=request.steps,
        ):
            if isinstance(event, TurnFinished):
                finished = event
    if usage_file:
        _write_usage(usage_file, finished)
    raise_for(finished)
    sys.stdout.write(finished.reply.rstrip("\n") + "\n")


def raise_for(finished: TurnFinished) -> None:
    """Raise the line to show, where the turn did not end well."""
    if finished.status == "cancelled":
        raise Stopped("stopped")
    if finished.status != "ok":
        raise HermesError(finished.reply)


def _write_usage(file: str, finished: TurnFinished) -> None:
    usage = finished.usage
    said = {
        "session_id": finished.session,
        "status": finished.status,
        "model": finished.model,
        "api_calls": usage.calls,
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cache_read_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write,
        "reasoning_tokens": usage.reasoning,
        "estimated_cost_usd": usage.cost,
    }
    try:
        Path(file).write_text(json.dumps(said, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise HermesError(f"{file} cannot be written: {error.strerror}") from None
