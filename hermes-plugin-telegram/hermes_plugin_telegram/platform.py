"""The platform as the gateway sees it. What needs the client library is loaded by `open`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hermes import (
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
)

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

        Raises `Failed` of kind ``auth`` where there is no token.
        """
        self._line = await asyncio.to_thread(_connect, self._context)

    async def close(self) -> None:
        if self._line is not None:
            await self._line.close()

    @property
    def line(self) -> Line:
        """What talks to Telegram. Raises RuntimeError before `open`."""
        if self._line is None:
            raise RuntimeError("the platform is not open")
        return self._line

    async def run(self, inbox: Inbox) -> None:
        await self.line.run(inbox)

    async def send(self, part: Part) -> Receipt:
        return await self.line.send(part)

    def format(self, text: str) -> tuple[Piece, ...]:
        return self.line.format(text)

    def health(self) -> PlatformHealth | None:
        return self._line.health() if self._line else None

    async def typing(self, key: SessionKey) -> None:
        await self.line.typing(key)

    async def mark(self, key: SessionKey, message: str, state: MessageState) -> None:
        await self.line.mark(key, message, state)

    async def menu(self, commands: Sequence[tuple[str, str]]) -> None:
        await self.line.menu(commands)


def _connect(context: PluginContext) -> Line:
    from hermes_plugin_telegram.line import connect  # noqa: PLC0415 - see `open`

    return connect(context)
