"""The platform: it moves bytes. Access, splitting, retrying and order are not its business."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hermes import (
    Account,
    Failed,
    Failure,
    FailureKind,
    Inbound,
    Inbox,
    Part,
    Platform,
    PlatformLimits,
    PluginContext,
    Receipt,
    SessionKey,
)

NAME = "old-platform"
SECONDS = 30.0
"""How long the server may take to be reached and to answer a send."""
ROOM = 1_000_000
"""Bytes that a line may have."""


class LinePlatform(Platform):
    """A chat server that speaks JSON lines."""

    limits = PlatformLimits(length=2_000, keyed=True)

    def __init__(self, context: PluginContext) -> None:
        self._settings = context.settings
        self._secrets = context.secrets

    def missing(self) -> str:
        if not self._settings.host:
            return "old-platform.host says where the chat server is"
        if not self._secrets.get(self._settings.token):
            return f"old-platform.token: {self._settings.token.reference} is not set"
        return ""

    async def run(self, inbox: Inbox) -> None:
        after = int(await inbox.cursor() or 0)
        async with self._connected({"after": after}) as reader:
            while line := await reader.readline():
                said = answer(line)
                # In one commit: a message that could not be kept comes again after a restart.
                await inbox.put((inbound(said),), cursor=str(said["seq"]))
        raise Failed(Failure("transient", "the server hung up", NAME))

    async def send(self, part: Part) -> Receipt:
        if part.edits:
            raise Failed(Failure("bad_request", "messages cannot be edited here", NAME))
        message = {"chat": part.key.chat, "text": part.text, "key": part.token}
        return Receipt(await self._ask(message))

    async def recall(self, part: Part) -> str:
        return await self._ask({"key": part.token})

    async def _ask(self, question: dict[str, Any]) -> str:
        async with self._connected(question) as reader:
            async with asyncio.timeout(SECONDS):
                line = await reader.readline()
            if not line:
                raise Failed(Failure("transient", "the server hung up", NAME))
            return str(answer(line)["id"])

    @asynccontextmanager
    async def _connected(self, first: dict[str, Any]) -> AsyncIterator[asyncio.StreamReader]:
        """Give what the server says to *first*. What goes wrong on the way is a `Failure`."""
        token = self._secrets.get(self._settings.token)
        try:
            async with asyncio.timeout(SECONDS):
                reader, writer = await asyncio.open_connection(
                    self._settings.host, self._settings.port, limit=ROOM
                )
            try:
                writer.write(json.dumps({"token": token, **first}).encode() + b"\n")
                await writer.drain()
                yield reader
            finally:
                writer.close()
        except TimeoutError:
            raise Failed(Failure("timeout", "the server does not answer", NAME)) from None
        except ConnectionError as error:
            raise Failed(Failure("transient", f"no connection: {error}", NAME)) from None


def answer(line: bytes) -> dict[str, Any]:
    """Read a line of the server's. Raises Failed for what it refuses."""
    said: dict[str, Any] = json.loads(line)
    if error := said.get("error"):
        kind: FailureKind = "auth" if error == "auth" else "bad_request"
        raise Failed(Failure(kind, str(said.get("text", error)), NAME))
    return said


def inbound(said: dict[str, Any]) -> Inbound:
    """Make a message of what the server told."""
    return Inbound(
        SessionKey(NAME, str(said["chat"])),
        str(said["id"]),
        Account(NAME, str(said["sender"]), str(said.get("name", ""))),
        str(said["text"]),
    )
