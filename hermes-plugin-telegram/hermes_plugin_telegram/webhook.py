"""Let Telegram call us: a small HTTP server for one path, and a look after it."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import h11
import msgspec
from telegram import WebhookInfo

from hermes import HermesError, Inbox
from hermes_plugin_telegram.inbound import Reader

if TYPE_CHECKING:
    from hermes_plugin_telegram.line import Line

BODY_BYTES = 2**20
READ_SECONDS = 30.0
SECRET_HEADER = b"x-telegram-bot-api-secret-token"


async def serve(line: Line, reader: Reader, inbox: Inbox) -> None:
    """Receive until cancelled. `TelegramPlatform.missing` has seen to it that no door is open."""
    settings = line.settings
    secret = line.context.secrets.get(settings.webhook_secret)
    hook = Webhook(line, reader, inbox, secret or secrets.token_urlsafe(32))
    try:
        server = await asyncio.start_server(
            hook.accept, settings.webhook_listen, settings.webhook_port, limit=2**16
        )
    except OSError as error:
        raise HermesError(
            f"cannot listen on {settings.webhook_listen}:{settings.webhook_port}"
            f" (telegram.webhook_listen, .webhook_port): {error.strerror or error}"
        ) from None
    try:
        await hook.keep_set()
    finally:
        server.close()
        await hook.close()


class Webhook:
    """What answers Telegram's calls."""

    def __init__(self, line: Line, reader: Reader, inbox: Inbox, secret: str) -> None:
        self._line = line
        self._reader = reader
        self._inbox = inbox
        self._secret = secret.encode()
        self._url = line.settings.webhook_url
        self._path = (urlsplit(self._url).path or "/").encode()
        self._cursor = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def keep_set(self) -> None:
        """Set the webhook, and again when somebody removed it. Each look is a heartbeat too."""
        bot = self._line.bot
        while True:
            await self._line.insist(
                lambda: bot.set_webhook(
                    self._url,
                    allowed_updates=self._reader.kinds,
                    secret_token=self._secret.decode(),
                    drop_pending_updates=False,
                )
            )
            info: WebhookInfo = await self._line.insist(bot.get_webhook_info)
            while info.url == self._url:
                if info.last_error_message and info.pending_update_count:
                    self._line.log.warning(
                        "Telegram cannot reach the webhook", why=info.last_error_message
                    )
                await asyncio.sleep(self._line.settings.poll_seconds)
                info = await self._line.insist(bot.get_webhook_info)
            self._line.log.warning("the webhook was changed by somebody; it is set again")

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = h11.Connection(h11.SERVER)
        try:
            while await self._exchange(connection, reader, writer):
                connection.start_next_cycle()
        except (OSError, TimeoutError, h11.ProtocolError):
            pass  # the caller's fault, or gone
        except asyncio.CancelledError:
            pass  # by `close`; asyncio would log it
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(
        self, http: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one call; give whether another may come on this connection."""
        request: h11.Request | None = None
        body = b""
        async with asyncio.timeout(READ_SECONDS):
            while not isinstance(event := http.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    http.receive_data(await reader.read(2**16))
                elif isinstance(event, h11.Request):
                    request = event
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                else:
                    return False  # the connection ended
                if len(body) > BODY_BYTES:
                    return False
        assert request is not None  # h11 gives no body before it
        status = await self._answer(request, body)
        headers = [(b"content-length", b"0")]
        for part in (h11.Response(status_code=status, headers=headers), h11.EndOfMessage()):
            writer.write(http.send(part) or b"")
        await writer.drain()
        return http.our_state is h11.DONE and http.their_state is h11.DONE

    async def _answer(self, request: h11.Request, body: bytes) -> int:
        if request.target.partition(b"?")[0] != self._path:
            return 404
        if request.method != b"POST":
            return 405
        given = dict(request.headers).get(SECRET_HEADER, b"")
        if not hmac.compare_digest(given, self._secret):
            self._line.log.warning("a call to the webhook without its secret was refused")
            return 403
        try:
            update = msgspec.json.decode(body, type=dict[str, Any])
            number = int(update["update_id"])
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
            return 400
        return await self._take(update, number)

    async def _take(self, update: dict[str, Any], number: int) -> int:
        """Keep the update; only then may Telegram forget it."""
        batch = self._reader.read([update])
        self._cursor = max(self._cursor, number + 1)
        try:
            await self._inbox.put(batch.messages, cursor=str(self._cursor))
        except Exception as error:  # noqa: BLE001 - Telegram brings it again
            self._line.log.error("an update could not be kept", error=repr(error))
            return 500
        self._line.found()
        self._line.took_in(len(batch.messages))
        for query in batch.queries:
            self._line.acknowledge(query)
        return 200
