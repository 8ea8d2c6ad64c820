"""A chat server of one's own: for the tests, and to try the platform with.

    python -m hermes_plugin_acorn.server --token secret

It refuses what a real one would: bad tokens, empty texts, texts that are too long.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import Any

LONGEST = 2_000
"""Characters of a message."""


class ChatServer:
    """Keeps every message in memory, and gives them to whoever knows the token."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.port = 0
        self.shown: list[str] = []
        """The texts that were sent to chats, in order."""
        self._said: list[dict[str, Any]] = []
        self._first = int(time.time())  # a server that is started again goes on above
        self._keys: dict[str, str] = {}
        self._news = asyncio.Condition()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; `port` says where, if it was left open."""
        self._server = await asyncio.start_server(self._serve, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everybody."""
        self._server.close()
        async with self._news:
            self._news.notify_all()

    def say(self, text: str, id: str = "", chat: str = "1", sender: str = "1") -> None:
        """Let somebody write; the same *id* again is the same message again."""
        seq = self._first + len(self._said)
        said = {"seq": seq, "id": id or str(seq), "chat": chat, "sender": sender, "text": text}
        self._said.append(said)
        self._waking = asyncio.ensure_future(self._wake())

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = json.loads(await reader.readline())
            if asked["token"] != self.token:
                tell(writer, {"error": "auth", "text": "the token is not known here"})
            elif "after" in asked:
                await self._stream(asked["after"], writer)
            else:
                tell(writer, self._take(asked))
            await writer.drain()
        except (ConnectionError, ValueError, KeyError, asyncio.CancelledError):
            pass  # also at the end: Python 3.11 logs a handler that was cancelled
        finally:
            writer.close()

    async def _stream(self, after: int, writer: asyncio.StreamWriter) -> None:
        while self._server.is_serving():
            for said in [each for each in self._said if each["seq"] > after]:
                tell(writer, said)
                after = said["seq"]
            await writer.drain()
            async with self._news:
                if not self._said or self._said[-1]["seq"] <= after:
                    await self._news.wait()

    def _take(self, asked: dict[str, Any]) -> dict[str, Any]:
        key = asked.get("key", "")
        if "text" not in asked:
            return {"id": self._keys.get(key, "")}
        text = asked["text"]
        if not text or len(text) > LONGEST:
            return {"error": "bad_request", "text": f"a text has 1 to {LONGEST} characters"}
        if key not in self._keys:
            self.shown.append(text)
            id = str(len(self.shown))
            if not key:
                return {"id": id}
            self._keys[key] = id
        return {"id": self._keys[key]}


def tell(writer: asyncio.StreamWriter, said: dict[str, Any]) -> None:
    writer.write(json.dumps(said).encode() + b"\n")


async def main() -> None:
    """Serve; what is typed is said, what is sent is printed."""
    parser = argparse.ArgumentParser(description="A chat server to try the platform with.")
    parser.add_argument("--port", type=int, default=7411)
    parser.add_argument("--token", required=True)
    given = parser.parse_args()
    server = ChatServer(given.token)
    await server.start(port=given.port)
    print(f"listening on 127.0.0.1:{server.port}", flush=True)
    told = 0
    lines: asyncio.Queue[str] = asyncio.Queue()
    asyncio.get_running_loop().add_reader(
        sys.stdin, lambda: lines.put_nowait(sys.stdin.readline())
    )  # fmt: skip
    while True:
        try:
            line = await asyncio.wait_for(lines.get(), 0.1)
        except TimeoutError:
            line = "\n"
        for text in server.shown[told:]:
            print(f"Hermes: {text}", flush=True)
        told = len(server.shown)
        if not line:
            return
        if line.strip():
            server.say(line.strip())


if __name__ == "__main__":
    asyncio.run(main())
