"""A program at a terminal of its own, for tests of what a person sees and types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[=>()][0-9A-B]?|[\x00-\x06\x0e\x0f]")


def _take_terminal() -> None:
    """Make the terminal the child's own, whose signals are as a login shell's: what started the
    tests may ignore SIGHUP (``nohup``), and that would be inherited.
    """
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


class PseudoTerminal:
    """A program at a terminal of its own, 100 columns by 40 lines; `close` it in the end.

    Every call waits by blocking: in an async test use ``asyncio.to_thread``.
    """

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self._fd, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.process = subprocess.Popen(
            arguments,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env=env,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        self._slave = slave
        self.raw = ""
        """Everything written so far, as it was written."""
        self._seen = 0

    @property
    def text(self) -> str:
        """Everything written so far, without escape sequences."""
        return ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    def send(self, keys: str) -> None:
        """Type *keys*; ``\\r`` is Enter, ``\\x03`` Ctrl+C, ``\\x04`` Ctrl+D."""
        os.write(self._fd, keys.encode())

    def expect(self, wanted: str, seconds: float = 40.0) -> str:
        """Wait for *wanted* in what was not yet expected; give what came before it."""
        until = time.monotonic() + seconds
        while True:
            place = self.text.find(wanted, self._seen)
            if place >= 0:
                before = self.text[self._seen : place]
                self._seen = place + len(wanted)
                return before
            left = until - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{wanted!r} did not come; on the screen:\n{self.text}")

    def ends(self, seconds: float = 40.0) -> int:
        """Wait for the end of the program and give its exit status."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > until:
                raise AssertionError(f"it goes on; on the screen:\n{self.text}")
            self._read(0.05)
        while self._read(0.05):
            pass
        return self.process.returncode

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed: a program that ended must have left it so."""
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def close(self) -> None:
        """Kill the program if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._fd)
        os.close(self._slave)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._fd], [], [], seconds)[0]:
            return False
        try:
            self.raw += os.read(self._fd, 65_536).decode("utf-8", "replace")
        except OSError:
            return False
        return True
