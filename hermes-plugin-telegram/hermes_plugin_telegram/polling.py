"""Ask Telegram for updates, and confirm them only when the inbox has them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from telegram.error import TelegramError

from hermes import Inbox
from hermes_plugin_telegram.failures import webhook_is_set
from hermes_plugin_telegram.inbound import Reader

if TYPE_CHECKING:
    from hermes_plugin_telegram.line import Line

BATCH = 100
"""What Telegram gives at once, at most."""
ALBUM_WAIT = 0.5
ALBUM_LOOKS = 4
"""How often to look whether an album has grown, and after how long."""


async def poll(line: Line, reader: Reader, inbox: Inbox) -> None:
    """Receive until cancelled.

    The offset of the next call confirms what was fetched before, so it moves only after `put`.
    What the inbox raises is passed on: the same updates come again after the restart.
    """
    offset = _number(await inbox.cursor())
    while True:
        wait = line.settings.poll_seconds
        updates = await _whole(line, reader, offset, await _fetch(line, reader, offset, wait))
        if not updates:
            continue
        batch = await reader.read(updates)
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


async def _whole(
    line: Line, reader: Reader, offset: int, updates: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Ask for the same updates again until the albums among them grow no more."""
    for _ in range(ALBUM_LOOKS):
        albums = any("media_group_id" in update.get("message", {}) for update in updates)
        if not albums or len(updates) >= BATCH:
            break
        await asyncio.sleep(ALBUM_WAIT)
        again = await _fetch(line, reader, offset, 0)
        if len(again) <= len(updates):
            break
        updates = again
    return updates
