"""Telegram's Bot API on loopback, for the tests of anything that speaks it.

    async with TelegramServer() as telegram:
        anna = telegram.private("Anna")
        anna.say("Hello")                      # what the bot gets by getUpdates or its webhook
        ...                                    # bot: telegram.token at telegram.url
        await telegram.called("sendMessage")
        assert anna.shown == ["Hello, Anna"]

It checks each call against the published table (`telegram_rules`) and refuses it with Telegram's
errors, keeps updates until an offset confirms them, delivers to a webhook, limits floods, and can
fail as networks do (`fault`). Texts with a ``parse_mode`` are kept as sent, unchecked.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from hermes.testing import telegram_methods as methods
from hermes.testing.telegram_chats import Chat, Files, Json, Person
from hermes.testing.telegram_rules import check, method_named
from hermes.testing.telegram_texts import Refusal
from hermes.testing.telegram_updates import Updates
from hermes.testing.telegram_wire import (
    BODY_LIMIT,
    Request,
    Upload,
    answer,
    failure,
    read_request,
    success,
)

Fault: TypeAlias = Literal[
    "half-open", "black-hole", "refuse", "tls", "errors", "cut", "drop", "deaf"
]
"""What can be wrong with the line:

* ``half-open``: connections that are open now go silent and never end; new ones work;
* ``black-hole``: no connection gets an answer;
* ``refuse``: connections end, and new ones are refused;
* ``tls``: connections end, and new ones are told that the handshake failed;
* ``errors``: every answer is a 502 of the proxy's;
* ``cut``: connections end before the call is done; ``drop``: after it is done, before the answer;
* ``deaf``: everything works, but no update comes.
"""


@dataclass
class Call:
    """One call, and what became of it."""

    method: str
    parameters: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)
    status: int = 0
    """What was answered; 0 while nothing was."""
    error: str = ""
    """Why it was refused, in Telegram's words."""
    at: float = 0.0
    """When it came, by the monotonic clock."""


class TelegramServer:
    """The server, as an async context manager."""

    def __init__(
        self,
        *,
        token: str = "123456789:AAtest-Token_of_35_characters_x",
        username: str = "test_bot",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """With *tls* it speaks https."""
        self._tls = tls
        self.token = token
        """The only token that is good; `revoke` ends that."""
        self.bot = Person(int(token.partition(":")[0]), "Test Bot", username, is_bot=True)
        self.calls: list[Call] = []
        """Every call, in order, the refused ones too."""
        self.chats: dict[int, Chat] = {}
        self.files = Files()
        self.updates = Updates(self.changed)
        self.commands: list[Json] = []
        """The menu."""
        self.answered: dict[str, str] = {}
        """Callback queries that the bot answered, with the text shown."""
        self.delay = 0.0
        """Seconds that each answer takes."""
        self.impatient = 0
        """Sends that came before a wait they were told was over."""
        self.connections = 0
        """How many were made."""
        self._fault: Fault | None = None
        self._planned: dict[str, deque[Refusal]] = {}
        self._flood: tuple[int, float, int] | None = None
        self._sends: dict[int, deque[float]] = {}
        self._wait_until: dict[int, float] = {}
        self._changed = asyncio.Condition()
        self._tasks: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}
        self._silent: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    # -- life ---------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Its root, as ``https://api.telegram.org`` is the real one's."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", port, limit=2**20, ssl=self._tls
        )
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        await self.updates.close()
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> TelegramServer:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    # -- the world ----------------------------------------------------------------------------

    def private(self, name: str = "Anna", *, id: int = 0, username: str = "") -> Chat:
        """Let somebody start a private chat with the bot."""
        person = self.person(name, id=id, username=username)
        return self._chat(person.id, "private", people=[person])

    def person(self, name: str, *, id: int = 0, username: str = "") -> Person:
        """Make somebody, for groups."""
        return Person(id or 7000 + len(self.chats) * 10 + len(name), name, username)

    def group(self, title: str = "Team", *people: Person, topics: int = 0, id: int = 0) -> Chat:
        """Make a supergroup with the bot in it; with *topics* it is a forum."""
        chat = self._chat(
            id or -(1_000_000_000_000 + len(self.chats) + 1),
            "supergroup",
            title=title,
            people=people or (self.person("Anna"),),
            forum=bool(topics),
        )
        chat.topics = set(range(2, topics + 2))  # 1 is "General", which calls must not name
        return chat

    def _chat(self, id: int, type: str, **more: Any) -> Chat:
        chat = Chat(id, type, bot=self.bot, files=self.files, tell=self.updates.add, **more)
        self.chats[id] = chat
        return chat

    def chat(self, id: int | str) -> Chat:
        """Find a chat that the bot may write in. Raises `Refusal`."""
        found = self.chats.get(id) if isinstance(id, int) else None
        if found is None:
            raise Refusal(400, "Bad Request: chat not found")
        found.check_open()
        return found

    def revoke(self) -> None:
        """Make the token bad, now."""
        self.token = ""
        self.updates.end_poll(Refusal(401, "Unauthorized"))

    # -- what goes wrong ----------------------------------------------------------------------

    async def fault(self, fault: Fault) -> None:
        """Break the line until `heal`."""
        self._fault = fault
        self.updates.deaf = fault == "deaf"
        if fault == "half-open":
            self._silent = set(self._tasks)
        elif fault in ("refuse", "tls"):
            assert self._server is not None
            self._server.close()
        if fault in ("refuse", "tls", "cut"):
            self._cut_connections()
        if fault == "tls":
            self._server = await asyncio.start_server(_no_handshake, "127.0.0.1", self.port)

    async def heal(self) -> None:
        """Mend the line. Connections that went silent stay so, as they do."""
        was, self._fault = self._fault, None
        if was in ("refuse", "tls"):
            assert self._server is not None
            self._server.close()
            await self.start(self.port)
        self.updates.deaf = False
        self.updates.wake()

    def _cut_connections(self) -> None:
        for writer in self._tasks.values():
            writer.transport.abort()

    def refuse(
        self, method: str, status: int, description: str, *, times: int = 1, **parameters: int
    ) -> None:
        """Refuse the next calls of *method* so, in Telegram's words (``Bad Request: …``)."""
        planned = self._planned.setdefault(method, deque())
        planned.extend(Refusal(status, description, **parameters) for _ in range(times))

    def limit_floods(self, sends: int, seconds: float, retry_after: int = 1) -> None:
        """Answer 429 to more than *sends* in a chat within *seconds*, until *retry_after* went by.

        Who asks again sooner is counted in `impatient`.
        """
        self._flood = (sends, seconds, retry_after)

    def check_flood(self, chat: int) -> None:
        """Count a send to *chat*. Raises `Refusal`."""
        if self._flood is None:
            return
        sends, seconds, retry_after = self._flood
        now = time.monotonic()
        if now < (until := self._wait_until.get(chat, 0.0)):
            # What was on its way when the first was refused could not know.
            self.impatient += now > until - retry_after + 0.1
            raise self._too_many(retry_after)
        recent = self._sends.setdefault(chat, deque())
        while recent and recent[0] <= now - seconds:
            recent.popleft()
        if len(recent) >= sends:
            self._wait_until[chat] = now + retry_after
            raise self._too_many(retry_after)
        recent.append(now)

    def _too_many(self, seconds: int) -> Refusal:
        said = f"Too Many Requests: retry after {seconds}"
        return Refusal(429, said, retry_after=seconds)

    # -- looking ------------------------------------------------------------------------------

    def of(self, method: str) -> list[Call]:
        """Give the calls of *method*."""
        return [call for call in self.calls if call.method == method]

    async def called(self, method: str, count: int = 1, seconds: float = 5.0) -> list[Call]:
        """Wait until *method* was called and answered *count* times. Raises TimeoutError."""

        def done() -> bool:
            return sum(1 for call in self.of(method) if call.status) >= count

        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(done)
        return self.of(method)

    async def drained(self, seconds: float = 5.0) -> None:
        """Wait until every update was confirmed. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: not self.updates.pending)

    async def changed(self) -> None:
        """Wake who waits for something to have happened."""
        async with self._changed:
            self._changed.notify_all()

    # -- HTTP ---------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = writer
        self.connections += 1
        try:
            while await self._serve(task, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            if self._server and self._server.is_serving():  # asyncio logs a handler so ended
                raise
        finally:
            self._tasks.pop(task, None)
            self._silent.discard(task)
            writer.close()

    async def _serve(
        self, task: asyncio.Task[Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        request = await read_request(reader)
        await self._hold(task)
        if self._fault == "errors":
            page = b"<html><head><title>502 Bad Gateway</title></head></html>"
            writer.write(answer(502, page, "text/html"))
        elif self._fault == "cut":
            return False
        else:
            said = await self._answer(request)
            await asyncio.sleep(self.delay)
            await self._hold(task)
            if self._fault in ("cut", "drop", "refuse"):
                return False
            writer.write(said)
        await writer.drain()
        return request.keep_alive

    async def _hold(self, task: asyncio.Task[Any]) -> None:
        """Never come back where this connection has gone silent."""
        if self._fault == "black-hole":
            self._silent.add(task)
        if task in self._silent:
            await asyncio.Event().wait()

    async def _answer(self, request: Request) -> bytes:
        if request.path.startswith("/file/"):
            return self._download(request)
        call = Call("", at=time.monotonic())
        try:
            result = await self._call(request, call)
        except Refusal as refusal:
            call.status, call.error = refusal.status, refusal.description
            return failure(refusal)
        else:
            call.status = 200
            return success(result)
        finally:
            await self.changed()

    async def _call(self, request: Request, call: Call) -> Any:
        token, _, name = request.path.removeprefix("/bot").partition("/")
        if not request.path.startswith("/bot") or ":" not in token:
            raise Refusal(404, "Not Found")
        call.method = name
        self.calls.append(call)
        if token != self.token:
            raise Refusal(401, "Unauthorized")
        if len(request.body) > BODY_LIMIT:
            raise Refusal(413, "Request Entity Too Large")
        call.method = method = method_named(name)
        given = request.fields()
        call.files = request.files
        call.parameters = given
        call.parameters = check(method, given, frozenset(request.files))
        if planned := self._planned.get(method):
            raise planned.popleft()
        if method == "getUpdates":
            return await self.updates.get(**call.parameters)
        return methods.run(self, method, call.parameters, call.files)

    def _download(self, request: Request) -> bytes:
        token, _, path = request.path.removeprefix("/file/bot").partition("/")
        if token != self.token:
            return failure(Refusal(401, "Unauthorized"))
        upload = self.files.at(path)
        if upload is None:
            return failure(Refusal(404, "Not Found"))
        return answer(200, upload.data, upload.media_type)


async def _no_handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a handshake with the alert ``handshake_failure`` (RFC 8446, section 6.2)."""
    with contextlib.suppress(OSError):
        await reader.read(1)
        writer.write(b"\x15\x03\x03\x00\x02\x02\x28")
        writer.close()
        await writer.wait_closed()
