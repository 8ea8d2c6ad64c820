"""Ask Telegram for updates, and confirm them only when the inbox has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from telegram.error import TelegramError

from hermes import Inbox
from hermes_plugin_telegram.failures import webhook_is_set
from hermes_plugin_telegram.inbound import Reader

if TYPE_CHECKING:
    from hermes_plugin_telegram.line import Line

BATCH = 100
"""What Telegram gives at once, at most."""


async def poll(line: Line, reader: Reader, inbox: Inbox) -> None:
    """Receive until cancelled.

    The offset of the next call confirms what was fetched before, so it moves only after `put`.
    What the inbox raises is passed on: the same updates come again after the restart.
    """
    offset = _number(await inbox.cursor())
    while True:
        updates = await _fetch(line, reader, offset, line.settings.poll_seconds)
        if not updates:
            continue
        batch = reader.read(updates)
        offset = max(offset, *(update["update_id"] + 1 for update in updates))
        await inbox.put(batch.messages, cursor=str(offset))
        line.took_in(len(batch.messages))
        for query in batch.queries:
            line.acknowledge(query)


def _number(cursor: str) -> int:
    return int(cursor) if cursor.isdigit() else 0


async def _fetch(line: Line, reader: Reader, offset: int, seconds: int) -> list[dict[str, Any]]:
    """Ask until there is an answer. Updates come as Telegram writes them: one that the library
    cannot read would else keep all others from coming, for ever.
    """

    async def call() -> Any:
        try:
            return await line.bot.do_api_request(
                "getupdates",  # in lower case it is not the library's own, which reads them all
                api_kwargs={
                    "offset": offset or None,
                    "limit": BATCH,
                    "timeout": seconds,
                    "allowed_updates": reader.kinds,
                },
                read_timeout=seconds + line.settings.answer_seconds,
            )
        except TelegramError as error:
            if webhook_is_set(error):
                await line.bot.delete_webhook(drop_pending_updates=False)
            raise

    return list(await line.insist(call))
