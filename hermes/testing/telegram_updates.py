"""The updates of the Telegram that `hermes.testing.telegram` plays, kept until confirmed."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from hermes.testing.telegram_chats import Json
from hermes.testing.telegram_texts import Refusal
from hermes.testing.telegram_wire import post


class Updates:
    """The queue of one bot, fetched by ``getUpdates`` or delivered to a webhook."""

    def __init__(self, changed: Callable[[], Awaitable[None]]) -> None:
        self.pending: deque[Json] = deque()
        """What nobody confirmed, in order."""
        self.confirmed = 0
        """Highest id that was confirmed."""
        self.webhook: Json = {}
        """Parameters of the webhook that is set."""
        self.webhook_error = ""
        """Why the last delivery failed; empty where it did not."""
        self.deaf = False
        """Nothing comes, though all else works."""
        self.last = 1000
        """Id of the update that came last."""
        self._allowed: list[str] = []
        self._poll: asyncio.Future[Refusal] | None = None
        self._wake = asyncio.Event()
        self._changed = changed
        self._delivery: asyncio.Task[None] | None = None

    def add(self, kind: str, content: Json) -> int:
        """Queue an update where its kind is wanted, and give its id."""
        self.last += 1
        if not self._allowed or kind in self._allowed:
            self.insert({"update_id": self.last, kind: msgspec.to_builtins(content)})
        return self.last

    def insert(self, update: Json, at: int | None = None) -> None:
        """Queue *update*, which may be a repeat, at place *at* or at the end."""
        self.pending.insert(len(self.pending) if at is None else at, update)
        self._wake.set()

    def wake(self) -> None:
        """Look again whether there is something to do."""
        self._wake.set()

    def end_poll(self, why: Refusal) -> None:
        """End the call that waits, if one does."""
        if self._poll and not self._poll.done():
            self._poll.set_result(why)

    async def get(
        self,
        offset: int = 0,
        limit: int = 100,
        timeout: int = 0,  # noqa: ASYNC109 - the name is Telegram's
        allowed_updates: list[str] | None = None,
    ) -> list[Json]:
        """Answer ``getUpdates``. Raises `Refusal` when another poller comes or a webhook is set."""
        if self.webhook:
            raise _webhook_is_set()
        if allowed_updates is not None:
            self._allowed = allowed_updates
        self.end_poll(_other_poller())
        self._poll = poll = asyncio.get_running_loop().create_future()
        await self._confirm(offset)
        until = time.monotonic() + min(timeout, 50)
        while (self.deaf or not self.pending) and not poll.done():
            left = until - time.monotonic()
            if left <= 0:
                break
            self._wake.clear()
            waking = asyncio.ensure_future(self._wake.wait())
            await asyncio.wait((waking, poll), timeout=left, return_when="FIRST_COMPLETED")
            waking.cancel()
        if poll.done():
            raise poll.result()
        self._poll = None
        return [] if self.deaf else list(self.pending)[: max(1, min(limit, 100))]

    async def _confirm(self, offset: int) -> None:
        updates = list(self.pending)
        if offset < 0:
            offset = updates[offset:][0]["update_id"] if updates else 0
        self.pending = deque(each for each in updates if each["update_id"] >= offset)
        for each in updates:
            if each["update_id"] < offset:
                self.confirmed = max(self.confirmed, each["update_id"])
        await self._changed()

    # -- webhook ------------------------------------------------------------------------------

    def set_webhook(self, parameters: Json) -> None:
        """Deliver to a webhook from now on; an empty url ends that."""
        self.webhook = parameters if parameters.get("url") else {}
        self.webhook_error = ""
        if parameters.get("allowed_updates") is not None:
            self._allowed = parameters["allowed_updates"]
        if parameters.get("drop_pending_updates"):
            self.pending.clear()
        if self._delivery:
            self._delivery.cancel()
            self._delivery = None
        if self.webhook:
            self.end_poll(_webhook_is_set())
            self._delivery = asyncio.ensure_future(self._deliver(self.webhook))

    async def close(self) -> None:
        """Deliver no more."""
        if self._delivery:
            self._delivery.cancel()
            await asyncio.gather(self._delivery, return_exceptions=True)

    async def _deliver(self, webhook: Json) -> None:
        """Post each update until it is taken, in order."""
        secret = webhook.get("secret_token")
        headers = {"x-telegram-bot-api-secret-token": secret} if secret else {}
        while True:
            if self.deaf or not self.pending:
                self._wake.clear()
                await self._wake.wait()
                continue
            update = self.pending[0]
            try:
                status = await post(webhook["url"], msgspec.json.encode(update), headers, 10.0)
                self.webhook_error = "" if status == 200 else f"Wrong response: {status}"
            except (OSError, TimeoutError) as error:
                self.webhook_error = str(error) or "Connection timed out"
            if self.webhook_error:
                await asyncio.sleep(0.05)  # Telegram waits longer
            elif update in self.pending:
                self.pending.remove(update)
                self.confirmed = max(self.confirmed, update["update_id"])
            await self._changed()


def _webhook_is_set() -> Refusal:
    return Refusal(
        409,
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete"
        " the webhook first",
    )


def _other_poller() -> Refusal:
    return Refusal(
        409,
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is"
        " running",
    )
