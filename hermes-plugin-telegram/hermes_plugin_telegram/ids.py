"""Ids of messages: ``chat:message``, since Telegram numbers the messages of each chat anew.

A pressed button is ``chat:message:press:query`` and an edit ``chat:message:edit:time``: they are
messages to us, but only the first two parts are one to Telegram.
"""

from __future__ import annotations


def message_id(chat: int, message: int, *more: object) -> str:
    """Make the id of a message."""
    return ":".join(map(str, (chat, message, *more)))


def message_number(id: str) -> int | None:
    """Give Telegram's number of the message that *id* names or belongs to; else None."""
    parts = id.split(":")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None


def is_message(id: str) -> bool:
    """Whether *id* names a message itself."""
    return id.count(":") == 1
