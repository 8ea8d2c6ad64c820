"""Opening and closing: every `Resource` has one owner task for its whole life (§9)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from hermes.context import Log
from hermes.errors import Failed, HermesError, PluginError, one_line
from hermes.resource import Resource

CLOSING = 5.0
"""Seconds that one resource has to close."""


class Resources:
    """Opens each resource at first use and closes all in reverse order."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._owned: dict[Hashable, _Owned] = {}

    async def get(
        self,
        key: Hashable,
        make: Callable[[], Awaitable[Any] | Any],
        named: tuple[str, str] | None = None,
    ) -> Any:
        """Give the open resource of *key*; *make* creates it the first time.

        Those who ask while it opens wait for the same one. When it cannot be opened the error goes
        to all of them, and the next to ask tries again. *named* is the plugin, and which offer of
        it this is: what its code raises is then a `PluginError` that says so.
        """
        owned = self._owned.get(key)
        if owned is None:
            owned = self._owned[key] = _Owned(make, self._log)
        try:
            return await asyncio.shield(owned.ready)
        except (Exception, SystemExit) as error:
            if self._owned.get(key) is owned:
                del self._owned[key]
            if named is None or isinstance(error, (HermesError, Failed)):
                raise
            plugin, offer = named
            raise PluginError(plugin, f"{offer} cannot be opened: {one_line(error)}") from error

    def peek(self, key: Hashable) -> Any:
        """Give the resource if it is open now, else None."""
        owned = self._owned.get(key)
        if owned is None or not owned.ready.done() or owned.ready.exception() is not None:
            return None
        return owned.ready.result()

    async def drop(self, key: Hashable) -> None:
        """Close one resource, if it is there."""
        owned = self._owned.pop(key, None)
        if owned is not None:
            await owned.close()

    async def close(self) -> None:
        """Close everything, last opened first. Never raises."""
        while self._owned:
            _, owned = self._owned.popitem()
            await owned.close()


class _Owned:
    """One resource and the task that opened it and will close it."""

    def __init__(self, make: Callable[[], Awaitable[Any] | Any], log: Log) -> None:
        self.ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.ready.add_done_callback(lambda ready: ready.cancelled() or ready.exception())
        self._leave = asyncio.Event()
        self._log = log
        self._task = asyncio.ensure_future(self._live(make))

    async def _live(self, make: Callable[[], Awaitable[Any] | Any]) -> None:
        try:
            made = make()
            resource = await made if asyncio.iscoroutine(made) else made
            if isinstance(resource, Resource):
                await resource.open()
        except BaseException as error:
            if not self.ready.done():
                self.ready.set_exception(error)
            if isinstance(error, asyncio.CancelledError):
                raise
            return
        self.ready.set_result(resource)
        await self._leave.wait()
        if isinstance(resource, Resource):
            try:
                await resource.close()
            except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
                name = type(resource).__name__
                self._log.warning("closing failed", resource=name, error=one_line(error))

    async def close(self) -> None:
        self._leave.set()
        if not self.ready.done():  # it is still opening: that ends here
            self._task.cancel()
        _, late = await asyncio.wait((self._task,), timeout=CLOSING)
        if late:
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=1)
