"""A bash with everything it starts, and the thread that reads its output and notices its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Self

from hermes import Children, TerminalError
from hermes_plugin_local_terminal.capture import Sink

CHUNK = 262_144
LINGER = 0.1
"""Seconds to wait for the end of the output once bash itself has ended: a `>(tee …)` of it may
still be writing. What it left in the background does not hold the call up for longer."""
TICK = 0.05
"""Seconds between two looks at bash where the system has no pidfd (macOS)."""


def _nothing() -> None:
    pass


class Child:
    """One spawned bash. `done` is set when it has ended and its output is read."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        directory: str,
        stdin: int | IO[bytes],
        sink: Sink,
        token: str,
        children: Children,
        last: Callable[[], None] = _nothing,
    ) -> None:
        """Spawn it in a session of its own; *last* is called in the thread, before `done`.

        Raise `TerminalError` when that fails.
        """
        self.token = token
        self._last = last
        self._children = children
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        reading, writing = os.pipe()
        try:
            self.popen = subprocess.Popen(
                arguments,
                stdin=stdin,
                stdout=writing,
                stderr=writing,
                cwd=directory,
                env=dict(env),
                start_new_session=True,
            )
        except OSError as error:
            os.close(reading)
            reason = error.strerror or str(error)
            raise TerminalError(f"local: cannot start a command in {directory}: {reason}") from None
        finally:
            os.close(writing)
        children.seal(self.popen.pid)
        thread = threading.Thread(target=self._read, args=(reading,), daemon=True)
        thread.start()

    @property
    def exit_code(self) -> int | None:
        """As a shell says it: 128 + N for signal N. None while it runs."""
        code = self.popen.returncode
        return None if code is None else 128 - code if code < 0 else code

    async def kill(self, grace: float = 2.0) -> None:
        """End the tree, with what lost the mark but stayed in the process group.

        The group's number cannot be somebody else's meanwhile: bash is reaped afterwards.
        """
        self.signal(signal.SIGTERM)
        await self._children.kill(self.token, grace=grace)
        await self.over()

    async def over(self) -> None:
        """Kill what is left of the group, and wait for the end."""
        self.signal(signal.SIGKILL)
        await asyncio.shield(self.done)
        self.reap()

    def reap(self) -> int:
        """Take the exit code of a bash that has ended."""
        self.popen.wait()
        code = self.exit_code
        assert code is not None
        return code

    def signal(self, number: signal.Signals) -> None:
        """Signal the process group of a bash that was not reaped yet."""
        if self.popen.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, number)

    def _read(self, reading: int) -> None:
        """Feed the sink until bash has ended and its output with it."""
        try:
            with _Ending(self.popen) as ending:
                self._pump(reading, ending)
        finally:
            os.close(reading)
            with contextlib.suppress(OSError):
                self._last()
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._finish)

    def _pump(self, reading: int, ending: _Ending) -> None:
        poller = select.poll()
        poller.register(reading, select.POLLIN)
        ending.register(poller)
        open_ = True
        while open_ and not ending.seen():
            open_ = self._step(reading, poller, ending.tick)
        if not open_:
            ending.wait()
            return
        only = select.poll()
        only.register(reading, select.POLLIN)
        deadline = time.monotonic() + LINGER
        while open_ and (left := deadline - time.monotonic()) > 0 and only.poll(left * 1000):
            open_ = self._step(reading, only, 0)

    def _step(self, reading: int, poller: select.poll, seconds: float | None) -> bool:
        """Read once if there is something; False at the end of the output."""
        ready = poller.poll(None if seconds is None else seconds * 1000)
        if not any(descriptor == reading for descriptor, _ in ready):
            return True
        data = os.read(reading, CHUNK)
        if data:
            self._sink.feed(data)
        return bool(data)

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class _Ending:
    """Tells whether bash has ended, without reaping it."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self._pidfd = -1
        with contextlib.suppress(AttributeError, OSError):
            self._pidfd = os.pidfd_open(popen.pid)
        self.tick = None if self._pidfd >= 0 else TICK

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)

    def register(self, poller: select.poll) -> None:
        if self._pidfd >= 0:
            poller.register(self._pidfd, select.POLLIN)

    def seen(self) -> bool:
        if not hasattr(os, "waitid"):
            return self._popen.poll() is not None
        try:
            return os.waitid(os.P_PID, self._popen.pid, _LOOK) is not None
        except ChildProcessError:  # somebody else reaped it
            return True

    def wait(self) -> None:
        while not self.seen():
            if self._pidfd >= 0:
                select.select([self._pidfd], [], [])
            else:
                time.sleep(TICK)


_LOOK = os.WEXITED | os.WNOHANG | os.WNOWAIT if hasattr(os, "waitid") else 0
