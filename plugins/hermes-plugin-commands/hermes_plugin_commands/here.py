"""The conversation that a command was given in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermes import CommandContext, UsageError

if TYPE_CHECKING:
    from hermes.conversation import Conversation


def conversation(context: CommandContext) -> Conversation:
    """Give it. Raises UsageError where there is none."""
    if context.conversation is None:
        raise UsageError("this is a command of a chat")
    return context.conversation
