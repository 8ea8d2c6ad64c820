"""Stopping a turn: Ctrl+C, wherever it comes."""

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
