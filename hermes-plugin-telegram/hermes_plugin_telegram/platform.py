"""The platform as the gateway sees it. What needs the client library is loaded by `open`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hermes import (
    Failed,
    Failure,
    Inbound,
    Inbox,
    MessageState,
    Part,
    Piece,
    Platform,
    PlatformHealth,
    PlatformLimits,
    PluginContext,
    Receipt,
    SessionKey,
    is_loopback,
)
from hermes_plugin_telegram.settings import TelegramSettings

if TYPE_CHECKING:
    from hermes_plugin_telegram.line import Line


class TelegramPlatform(Platform):
    """A Telegram bot."""

    limits = PlatformLimits(length=4096, unit="utf16", edits=True)

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._line: Line | None = None

    async def open(self) -> None:
        """Load the client, which takes 0.6 s, in a thread: the gateway serves meanwhile.

        Raises `Failed` of kind ``auth`` where something is `missing`.
        """
        if missing := self.missing():
            raise Failed(Failure("auth", missing, source="telegram"))
        self._line = await asyncio.to_thread(_connect, self._context)

    async def close(self) -> None:
        if self._line is not None:
            await self._line.close()

    def missing(self) -> str:
        settings: TelegramSettings = self._context.settings
        if not self._context.secrets.get(settings.token):
            env = self._context.paths.home / ".env"
            return f"no bot token: put TELEGRAM_BOT_TOKEN=… (from @BotFather) into {env}"
        if not settings.base_url.startswith(("https://", "http://")):
            return f"telegram.base_url {settings.base_url!r} is no address: it begins with https://"
        if settings.mode == "polling":
            return ""
        if not settings.webhook_url:
            return "no address for the webhook: set telegram.webhook_url"
        secret = self._context.secrets.get(settings.webhook_secret)
        if not secret and not is_loopback(settings.webhook_listen):
            return (
                f"telegram.webhook_listen is {settings.webhook_listen}, which others can reach:"
                " set TELEGRAM_WEBHOOK_SECRET in .env"
            )
        return ""

    @property
    def line(self) -> Line:
        """What talks to Telegram. Raises `Failed`, to be tried again, while it is being made."""
        if self._line is None:
            said = "the line to Telegram is being made"
            raise Failed(Failure("transient", said, source="telegram", retry_after=0.2))
        return self._line

    async def run(self, inbox: Inbox) -> None:
        await self.line.run(inbox)

    async def fetch(self, inbound: Inbound) -> Inbound:
        return await self.line.fetch(inbound)

    async def send(self, part: Part) -> Receipt:
        return await self.line.send(part)

    def format(self, text: str) -> tuple[Piece, ...]:
        # Also for what an earlier process left, while the line is still being made.
        from hermes_plugin_telegram.formatting import format_text  # noqa: PLC0415 - 60 ms

        return format_text(text)

    def health(self) -> PlatformHealth | None:
        return self._line.health() if self._line else None

    async def probe(self) -> str:
        return await self.line.probe()

    async def typing(self, key: SessionKey) -> None:
        if self._line is not None:
            await self._line.typing(key)

    async def mark(self, key: SessionKey, message: str, state: MessageState) -> None:
        if self._line is not None:
            await self._line.mark(key, message, state)

    async def menu(self, commands: Sequence[tuple[str, str]]) -> None:
        await self.line.menu(commands)


def _connect(context: PluginContext) -> Line:
    from hermes_plugin_telegram.line import connect  # noqa: PLC0415 - see `open`

    return connect(context)
