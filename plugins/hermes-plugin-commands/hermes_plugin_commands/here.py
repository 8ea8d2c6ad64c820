"""The conversation that a command was given in, and who may look at those of others."""

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


def owners_only(context: CommandContext) -> None:
    """Raise UsageError for anybody else: a conversation may be somebody's."""
    if context.role != "owner":
        raise UsageError("that is for owners; /sessions lists your conversations")
