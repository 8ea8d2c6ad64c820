"""A chat platform over plain TCP: ``nc HOST PORT``, type a line, read the answer.

Who connects gives a name first, which is who they are: for machines among friends.
"""

from __future__ import annotations

import asyncio
import secrets

import msgspec

from hermes import (
    Account,
    Failed,
    Failure,
    Inbound,
    Inbox,
    Part,
    Platform,
    PluginContext,
    Receipt,
    SessionKey,
)

NAME = "tcp-chat"


class Settings(msgspec.Struct, frozen=True):
    """Where people connect."""

    port: int = 7412
    """On this machine alone."""


class TcpChat(Platform):
    """Every connection is a chat, for as long as it is open."""

    def __init__(self, context: PluginContext) -> None:
        self._settings: Settings = context.settings
        self._boot = secrets.token_hex(4)
        self._chats: dict[str, asyncio.StreamWriter] = {}
        self._numbers = 0
        self.port = 0

    async def run(self, inbox: Inbox) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"Your name? ")
            name = (await reader.readline()).decode("utf-8", "replace").strip()
            self._chats[name] = writer
            try:
                while line := (await reader.readline()).decode("utf-8", "replace"):
                    if line.strip():
                        await inbox.put((self._inbound(name, line.strip()),))
            finally:
                self._chats.pop(name, None)
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", self._settings.port)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            await server.serve_forever()

    def _inbound(self, name: str, text: str) -> Inbound:
        self._numbers += 1
        id = f"{self._boot}-{self._numbers}"  # nothing repeats a line, so any unique id will do
        return Inbound(SessionKey(NAME, name), id, Account(NAME, name, name), text)

    async def send(self, part: Part) -> Receipt:
        writer = self._chats.get(part.key.chat)
        if part.edits or len(part.text) > self.limits.length:
            raise Failed(Failure("bad_request", "too long, or an edit", NAME))
        if writer is None:
            raise Failed(Failure("transient", f"{part.key.chat} is not connected", NAME))
        writer.write(f"{part.text}\n".encode())
        try:
            await writer.drain()
        except ConnectionError as error:
            raise Failed(Failure("transient", str(error), NAME)) from None
        self._numbers += 1
        return Receipt(f"{self._boot}-{self._numbers}")
