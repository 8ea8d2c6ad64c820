"""A thread that owns a connection: what asyncio asks of it is done there, in order."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import apsw

from hermes import StoreError

T = TypeVar("T")
TOGETHER = 0.001
"""Seconds for which answers may wait for one another."""


@dataclass(slots=True)
class Call(Generic[T]):
    """Something to do with the connection, and who waits for it."""

    function: Callable[[apsw.Connection], T]
    future: asyncio.Future[T]


def resolve(outcomes: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    """Hand each future its value or exception, from any thread; pass over a loop that is gone."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for future, value in outcomes:
        loops.setdefault(future.get_loop(), []).append((future, value))
    for loop, given in loops.items():
        try:
            loop.call_soon_threadsafe(_deliver, given)
        except RuntimeError:
            pass  # closed: nobody waits any more


def _deliver(outcomes: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, value in outcomes:
        if future.done():  # its caller was cancelled
            continue
        if isinstance(value, BaseException):
            future.set_exception(value)
        else:
            future.set_result(value)


class Worker:
    """Opens a connection in a thread of its own at `start` and closes it there at `stop`."""

    def __init__(self, name: str, connect: Callable[[], apsw.Connection]) -> None:
        self._name = name
        self._connect = connect
        self._jobs: SimpleQueue[Any] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Open the connection; raises what *connect* raises."""
        loop = asyncio.get_running_loop()
        started: asyncio.Future[None] = loop.create_future()
        self._stopped = loop.create_future()
        # A daemon: a program that ends without `close` is not held up, and loses nothing by it.
        self._thread = threading.Thread(
            target=self._run, args=(started, self._stopped), name=self._name, daemon=True
        )
        self._thread.start()
        await started

    async def stop(self) -> None:
        """Finish what was asked, close the connection, end the thread."""
        thread, self._thread = self._thread, None
        if thread is None or self._stopped is None:
            return
        self._jobs.put(None)
        await self._stopped

    async def call(self, function: Callable[[apsw.Connection], T]) -> T:
        """Run *function* with the connection. A cancelled caller's call may still happen."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._put(Call(function, future))
        return await future

    def _put(self, job: Any) -> None:
        if self._thread is None:
            raise StoreError("the journal is closed")
        self._jobs.put(job)

    def _run(self, started: asyncio.Future[None], stopped: asyncio.Future[None]) -> None:
        try:
            db = self._connect()
        except Exception as error:  # noqa: BLE001 - told to whoever starts it
            self._thread = None
            resolve([(started, error)])
            return
        resolve([(started, None)])
        outcome: BaseException | None = None
        try:
            for job in iter(self._jobs.get, None):
                self._serve(db, job)
        finally:
            try:
                db.close()
            except apsw.Error as error:
                outcome = StoreError(f"closing the journal: {error}")
            resolve([(stopped, outcome)])

    def _serve(self, db: apsw.Connection, job: Any) -> None:
        resolve([outcome(db, job)])


class Reader(Worker):
    """Answers together what was asked while it worked: waking the loop costs more than a read."""

    def _serve(self, db: apsw.Connection, job: Any) -> None:
        outcomes = [outcome(db, job)]
        until = time.monotonic() + TOGETHER
        while time.monotonic() < until:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            if job is None:
                self._jobs.put(None)  # asked to stop: after these
                break
            outcomes.append(outcome(db, job))
        resolve(outcomes)


def outcome(db: apsw.Connection, job: Call[Any]) -> tuple[asyncio.Future[Any], Any]:
    """Do what was asked; give who waits for it and the value or exception."""
    try:
        return job.future, job.function(db)
    except Exception as error:  # noqa: BLE001 - it belongs to the caller, not the thread
        return job.future, error
