"""Stopping a turn, and ending: Ctrl+C and the signals that end programs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hermes import HermesError

if TYPE_CHECKING:
    from hermes.runtime import Runtime

SOON = 0.02
"""Seconds until we look again whether a turn that was sent runs by now."""


class Stopped(HermesError):
    """The person pressed Ctrl+C."""

    exit_code = 130


class Ended(HermesError):
    """A signal ended the chat."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.exit_code = 128 + number


def stop(runtime: Runtime, id: str, going: Callable[[], bool]) -> None:
    """Stop the turn that was sent, now or as soon as it runs; *going* says that it is not over.

    At once and not by ``Conversation.stop``, which looks the conversation up first: nothing that
    the turn does may begin after the person was told that it stops.
    """
    if going() and not runtime.mailbox(id).stop():
        asyncio.get_running_loop().call_later(SOON, stop, runtime, id, going)


@contextmanager
def stopping(runtime: Runtime, id: str) -> Iterator[None]:
    """Let Ctrl+C stop the turn, so that what it started ends with it."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    over = False
    loop.add_signal_handler(signal.SIGINT, stop, runtime, id, lambda: not over)
    try:
        yield
    finally:
        over = True
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)


@contextmanager
def ending() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the chat in order, where they are not ignored (``nohup``).

    The terminal is given back, what tools started ends, and the turn stays open, to be resumed.
    Raises `Ended`.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    caught = [each for each, handler in before.items() if handler is not signal.SIG_IGN]
    by: list[int] = []

    def end(number: int) -> None:
        by.append(number)
        task.cancel()

    for number in caught:
        loop.add_signal_handler(number, end, number)
    try:
        yield
    except asyncio.CancelledError:
        if not by:
            raise
        task.uncancel()
        raise Ended(by[0]) from None
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])
