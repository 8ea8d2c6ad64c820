"""What Telegram's refusals and the network's faults mean to Hermes."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)

from hermes import Failure, FailureKind

TOO_LARGE = "entity too large"
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""With these nothing has left this machine."""
NO_BOT_API = "what answers is no Bot API (telegram.base_url), or a proxy before it"
MENDS = {
    "auth": "Telegram does not take the bot token: check TELEGRAM_BOT_TOKEN with @BotFather",
    "webhook": "a webhook takes the bot's updates; it is being removed",
    "conflict": "another program fetches this bot's updates: stop it, or give Hermes its own bot",
}


def classify(error: TelegramError, redact: Callable[[str], str] = str) -> Failure:
    """Give the failure that *error* is."""
    kind, message, wait = _meaning(error)
    status = {"auth": 401, "refused": 403, "bad_request": 400, "rate_limit": 429}.get(kind)
    return Failure(
        kind, redact(message), "telegram", status=status, retry_after=wait, unsure=_unsure(error)
    )


def _unsure(error: TelegramError) -> bool:
    """Whether Telegram may have done it: the call went out, and no answer of Telegram's came."""
    if isinstance(error, BadRequest) or not isinstance(error, NetworkError):
        return False  # an answer: a refusal
    return not isinstance(error.__cause__, UNSENT)


def _meaning(error: TelegramError) -> tuple[FailureKind, str, float | None]:
    said = f"Telegram: {error.message}"
    if isinstance(error, RetryAfter):
        seconds = error.retry_after
        wait = float(seconds if isinstance(seconds, int) else seconds.total_seconds())
        return "rate_limit", f"Telegram asks to wait {wait:g} s", wait
    if isinstance(error, InvalidToken):
        return "auth", MENDS["auth"], None
    if isinstance(error, Forbidden):
        return "refused", said, None
    if isinstance(error, Conflict):
        return "transient", MENDS["webhook" if webhook_is_set(error) else "conflict"], None
    if isinstance(error, TimedOut):
        return "timeout", "Telegram did not answer in time", None
    if isinstance(error, (BadRequest, ChatMigrated)) or TOO_LARGE in error.message.lower():
        return "bad_request", said, None
    message, page, _ = error.message.partition(". Parsing the server response")
    said = f"Telegram is out of reach: {message}"
    return "transient", f"{said}; {NO_BOT_API}" if page else said, None


def webhook_is_set(error: TelegramError) -> bool:
    """Whether polling fails because somebody set a webhook."""
    return isinstance(error, Conflict) and "webhook is active" in error.message
