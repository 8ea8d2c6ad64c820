"""The line to Telegram: one client, one pool of connections, one TLS context, and its health."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from telegram import Bot, BotCommand, User
from telegram.constants import ChatAction
from telegram.error import TelegramError

from hermes import (
    Failed,
    Failure,
    Inbound,
    Inbox,
    MessageState,
    Part,
    PlatformHealth,
    PluginContext,
    Receipt,
    SessionKey,
)
from hermes_plugin_telegram.failures import classify
from hermes_plugin_telegram.ids import is_message, message_number
from hermes_plugin_telegram.inbound import Reader
from hermes_plugin_telegram.media import Fetcher, sweep
from hermes_plugin_telegram.polling import poll
from hermes_plugin_telegram.pool import Pool
from hermes_plugin_telegram.sending import chat_of, send_part, thread_of
from hermes_plugin_telegram.settings import TelegramSettings
from hermes_plugin_telegram.webhook import serve

T = TypeVar("T")

REFUSALS = 3
"""So many times in a row must Telegram refuse the token until we believe it."""
REMEMBERED = 1000
REACTIONS = {"queued": "👀", "working": "👀", "done": "👍", "failed": "👎"}
"""Bots may use only some: ✅ and ❌ are not among them."""


class Line:
    """Everything that goes over the line. One object for as long as the platform is open."""

    def __init__(self, context: PluginContext, bot: Bot, pool: Pool) -> None:
        self.context = context
        self.settings: TelegramSettings = context.settings
        self.log = context.log
        self.bot = bot
        self._pool = pool
        self._fetcher = Fetcher(bot, context.paths.cache / "files", self.settings, self.log)
        self._heard = self._received = self._sent = self._failures = 0
        self._problem = ""
        self._waits: dict[int, float] = {}
        """Chat to when Telegram may be called for it again; 0 for what belongs to none."""
        self._reactions: dict[str, str] = {}
        self._drafts: dict[str, tuple[str, str, tuple[str, ...]]] = {}
        """Message to what it shows, so that nothing is asked for twice; so are the reactions."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pool.shutdown()

    def failure(self, error: TelegramError) -> Failure:
        """Classify *error*; a secret in its text is redacted."""
        return classify(error, self.context.secrets.redact)

    # -- receiving ----------------------------------------------------------------------------

    async def run(self, inbox: Inbox) -> None:
        """Receive until cancelled. Raises `Failed` for a bad token and what the inbox raises."""
        me: User = await self.insist(lambda: self.bot.get_me())
        self.log.info("connected to Telegram", bot=me.username, mode=self.settings.mode)
        reader = Reader(self.bot, me, self.settings, self.log)
        receive = serve if self.settings.mode == "webhook" else poll
        await receive(self, reader, inbox)

    async def insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until it succeeds, waiting longer each time up to ``retry_seconds``.

        Raises `Failed` only for a token that Telegram refused three times running.
        """
        attempt = refusals = 0
        while True:
            try:
                result = await call()
            except TelegramError as error:
                failure = self.failure(error)
                refusals = refusals + 1 if failure.kind == "auth" else 0
                self.lost(failure)
                if refusals == REFUSALS:
                    raise Failed(failure) from None
                await asyncio.sleep(self._wait(failure, attempt))
                attempt += 1
            else:
                self.found()
                return result

    def _wait(self, failure: Failure, attempt: int) -> float:
        if failure.retry_after is not None:
            return failure.retry_after
        longest = min(self.settings.retry_seconds, 0.25 * 2.0 ** min(attempt, 16))
        return longest * random.uniform(0.5, 1.0)  # not all at once after an outage

    def lost(self, failure: Failure) -> None:
        """Note that an attempt to receive failed."""
        self._failures += 1
        if failure.message != self._problem:
            self.log.warning("Telegram cannot be heard", problem=failure.message)
        self._problem = failure.message

    def found(self) -> None:
        """Note that Telegram answered an attempt to receive."""
        if self._problem:
            self.log.info("Telegram is heard again", after_attempts=self._failures)
        self._failures, self._problem = 0, ""
        self._heard = time.time_ns() // 1000

    async def fetch(self, inbound: Inbound) -> Inbound:
        return await self._fetcher.fetch(inbound)

    def took_in(self, messages: int) -> None:
        """Count messages that the inbox kept."""
        self._received += messages

    def health(self) -> PlatformHealth:
        return PlatformHealth(
            self._heard, self._received, self._sent, self._failures, self._problem
        )

    # -- sending ------------------------------------------------------------------------------

    async def send(self, part: Part) -> Receipt:
        """Send one part. Raises `Failed`, at once while Telegram's last word was to wait."""
        chat = chat_of(part.key)
        look = (part.text, part.markup, part.choices)
        if part.edits and self._drafts.get(part.edits) == look:
            return Receipt(part.edits)  # the reply is what its last draft showed
        if (left := self._left_to_wait(chat)) > 0:
            said = f"Telegram asked to wait; {left:.0f} s are left"
            raise Failed(Failure("rate_limit", said, "telegram", status=429, retry_after=left))
        try:
            receipt = await send_part(self.bot, part, self.settings, self.log)
        except TelegramError as error:
            raise Failed(self._refused(chat, error)) from None
        self._sent += 1
        self._heard = time.time_ns() // 1000
        if len(self._drafts) >= REMEMBERED:
            self._drafts.clear()
        self._drafts[receipt.id] = look
        return receipt

    def _left_to_wait(self, chat: int) -> float:
        return self._waits.get(chat, 0.0) - time.monotonic()

    def _refused(self, chat: int, error: TelegramError) -> Failure:
        """Classify the refusal of a send to *chat*, and remember how long to leave it alone."""
        failure = self.failure(error)
        if failure.retry_after is not None:
            now = time.monotonic()
            self._waits = {c: until for c, until in self._waits.items() if until > now}
            self._waits[chat] = now + failure.retry_after
        return failure

    async def probe(self) -> str:
        """Ask who we are, by the client and over the pool that everything goes by."""
        try:
            me: User = await self.bot.get_me()
        except TelegramError as error:
            raise Failed(self.failure(error)) from None
        return f"Telegram knows us as @{me.username}"

    async def typing(self, key: SessionKey) -> None:
        chat, thread = chat_of(key), thread_of(key)
        action = ChatAction.TYPING
        await self._show(
            chat, lambda: self.bot.send_chat_action(chat, action, message_thread_id=thread)
        )

    async def mark(self, key: SessionKey, message: str, state: MessageState) -> None:
        number = message_number(message)
        if not self.settings.reactions or number is None or not is_message(message):
            return
        emoji = REACTIONS[state]
        if self._reactions.get(message) == emoji:
            return
        if len(self._reactions) >= REMEMBERED:
            self._reactions.clear()
        self._reactions[message] = emoji
        chat = chat_of(key)
        await self._show(chat, lambda: self.bot.set_message_reaction(chat, number, emoji))

    async def menu(self, commands: Sequence[tuple[str, str]]) -> None:
        made: dict[str, BotCommand] = {}
        for name, summary in commands:
            name = re.sub(r"[^a-z0-9_]", "_", name.lower())
            if name.strip("_") and len(name) <= 32 and name not in made:
                made[name] = BotCommand(name, (summary.strip() or name)[:256])
        await self._show(0, lambda: self.bot.set_my_commands(list(made.values())[:100]))

    async def _show(self, chat: int, call: Callable[[], Awaitable[object]]) -> None:
        """Make a call that only shows something: when it fails, or would anger, nothing is lost."""
        if self._left_to_wait(chat) > 0:
            return
        try:
            await call()
        except TelegramError as error:
            self.log.debug("not shown on Telegram", why=self._refused(chat, error).message)

    def acknowledge(self, query: str) -> None:
        """Tell Telegram that a button's press has come, while receiving goes on."""

        async def answer() -> None:
            await self._show(0, lambda: self.bot.answer_callback_query(query))

        task = asyncio.create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def connect(context: PluginContext) -> Line:
    """Make the line; nothing is called yet. May block (TLS, files), so it runs in a thread."""
    settings: TelegramSettings = context.settings
    token = context.secrets.get(settings.token) or ""
    # The one logs addresses, and the token is in them; the other logs whole pages of an address
    # that is no Bot API's. What went wrong is said by `Line.lost`.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("telegram").setLevel(logging.CRITICAL)
    sweep(context.paths.cache / "files", settings.keep_files_days)
    root = settings.base_url.rstrip("/").removesuffix("/bot")
    proxy = context.secrets.get(settings.proxy)
    pool = Pool(settings.answer_seconds, proxy, tls=root.startswith("https:"))
    bot = Bot(
        token,
        base_url=f"{root}/bot",
        base_file_url=f"{root}/file/bot",
        request=pool,
        get_updates_request=pool,
    )
    return Line(context, bot, pool)
