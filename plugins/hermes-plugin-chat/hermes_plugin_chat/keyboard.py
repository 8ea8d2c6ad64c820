"""Reading what a person types while everything else goes on.

Lines are read by readline in a thread of its own (it has no other way to wait than to block); its
editing, its searching and a person's ``.inputrc`` come with it. Ctrl+C must reach the line, not
the process: while a line is read the terminal sends it as a character, on which readline ends the
line. Keys and answers are read by the event loop itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import locale
import os
import queue
import re
import readline
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hermes_plugin_chat import history

INTERRUPT = "\x03"


_NO_KEY = b"\xff" if sys.platform == "darwin" else b"\0"
"""_POSIX_VDISABLE."""


class Interrupted(Exception):
    """Ctrl+C was pressed instead of giving a line."""


class Keyboard:
    """The terminal as input: prompts with editing and history, single keys, plain answers."""

    def __init__(self, file: Path, complete: Callable[[str], list[str]]) -> None:
        self._file = file
        self._complete = complete
        self._matches: list[str] = []
        self._asked: queue.SimpleQueue[tuple[str, asyncio.Future[str]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop = asyncio.get_running_loop()
        self._before: list[Any] = []

    def __enter__(self) -> Keyboard:
        self._before = termios.tcgetattr(0)
        _valid_locale()
        self._libedit = "libedit" in (readline.__doc__ or "")
        if self._libedit:
            readline.parse_and_bind("bind ^I rl_complete")
        else:
            for line in (
                "tab: complete",
                "set enable-bracketed-paste on",
                "set show-all-if-ambiguous on",
                f'"\\C-c": "\\C-v{INTERRUPT}\\C-m"',
            ):
                readline.parse_and_bind(line)
        readline.set_completer_delims(" ")
        readline.set_completer(self._completed)
        readline.set_auto_history(False)
        for entry in history.load(self._file):
            readline.add_history(entry)
        self.quiet()
        return self

    def __exit__(self, *error: object) -> None:
        termios.tcsetattr(0, termios.TCSADRAIN, self._before)

    # lines ---------------------------------------------------------------------------------------

    async def message(self, prompt: str, more: str) -> str:
        """Read a message: a line, or several where one ends with a backslash.

        Raises EOFError for Ctrl+D and Interrupted for Ctrl+C.
        """
        lines = [await self._line(prompt)]
        while lines[-1].endswith("\\"):
            lines[-1] = lines[-1][:-1]
            lines.append(await self._line(more))
        text = "\n".join(lines)
        self.remember(text)
        return text

    def remember(self, text: str) -> None:
        """Add to the history, unless it is the newest of it."""
        if not text.strip() or text[0] == " ":
            return
        length = readline.get_current_history_length()
        if not length or readline.get_history_item(length) != text:
            readline.add_history(text.encode("utf-8", "replace").decode())
            history.add(self._file, text)

    async def _line(self, prompt: str) -> str:
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="readline", daemon=True)
            self._thread.start()
        future: asyncio.Future[str] = self._loop.create_future()
        with self._mode(echo=True, interrupt=self._libedit):
            self._asked.put((prompt, future))
            line = await future
        if INTERRUPT in line:
            raise Interrupted
        return line

    def _read(self) -> None:
        while True:
            prompt, future = self._asked.get()
            try:
                line = input(_unprinted(prompt))
            except EOFError as error:
                self._tell(future, error)
            except (OSError, ValueError) as error:  # the terminal is gone
                self._tell(future, EOFError(str(error)))
                return
            else:
                self.quiet()  # at once: Ctrl+C is meant for the turn from here on
                self._tell(future, line)

    def _tell(self, future: asyncio.Future[str], said: str | Exception) -> None:
        def settle() -> None:
            if future.done():
                return
            if isinstance(said, str):
                future.set_result(said)
            else:
                future.set_exception(said)

        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(settle)

    def _completed(self, text: str, number: int) -> str | None:
        if number == 0:
            whole = readline.get_begidx() == 0 and text.startswith("/")
            self._matches = self._complete(text) if whole else []
        return self._matches[number] if number < len(self._matches) else None

    # keys and answers ----------------------------------------------------------------------------

    def forget(self) -> None:
        """Drop what was typed so far: it is no answer to what is asked next."""
        with contextlib.suppress(termios.error):
            termios.tcflush(0, termios.TCIFLUSH)

    async def key(self, wanted: str) -> str:
        """Wait for one of the keys *wanted*."""
        with self._mode(canonical=False):
            while True:
                typed = await self._bytes()
                if not typed:
                    raise EOFError
                for key in typed.decode("utf-8", "ignore").lower():
                    if key == "\x1b":
                        break  # an arrow key, a paste
                    if key in wanted:
                        return key

    async def answer(self) -> str:
        """Read a line as the terminal itself edits it. May be cancelled, unlike `message`."""
        with self._mode(echo=True):
            typed = await self._bytes()
            if not typed:
                raise EOFError
            return typed.decode("utf-8", "replace").rstrip("\r\n")

    async def _bytes(self) -> bytes:
        future: asyncio.Future[bytes] = self._loop.create_future()

        def read() -> None:
            if not future.done():
                future.set_result(os.read(0, 65_536))

        self._loop.add_reader(0, read)
        try:
            return await future
        finally:
            self._loop.remove_reader(0)

    # modes ---------------------------------------------------------------------------------------

    def quiet(self) -> None:
        """While a turn runs: nothing typed is shown between its lines; Ctrl+C is a signal."""
        self._set(echo=False, canonical=True, interrupt=True)

    @contextlib.contextmanager
    def _mode(
        self, *, echo: bool = False, canonical: bool = True, interrupt: bool = True
    ) -> Iterator[None]:
        self._set(echo=echo, canonical=canonical, interrupt=interrupt)
        try:
            yield
        finally:
            self.quiet()

    def _set(self, *, echo: bool, canonical: bool, interrupt: bool) -> None:
        with contextlib.suppress(termios.error):  # the terminal is gone
            now = termios.tcgetattr(0)
            now[3] = _with(now[3], termios.ECHO, echo)
            now[3] = _with(now[3], termios.ICANON, canonical)
            now[6][termios.VINTR] = self._before[6][termios.VINTR] if interrupt else _NO_KEY
            termios.tcsetattr(0, termios.TCSADRAIN, now)


def _with(flags: int, flag: int, on: bool) -> int:
    return flags | flag if on else flags & ~flag


def _unprinted(prompt: str) -> str:
    """Tell readline which parts of the prompt take no room."""
    return re.sub(r"(\x1b\[[\d;]*m)", "\x01\\1\x02", prompt)


def _valid_locale() -> None:
    """Let readline take UTF-8 for characters where the locale says ASCII.

    Python itself reads UTF-8 there (PEP 540). Only this process's C library learns of it:
    ``os.environ``, which children get, stays as it is.
    """
    if sys.flags.utf8_mode and os.environ.get("LC_ALL", "") in ("C", "POSIX"):
        os.putenv("LC_ALL", "C.UTF-8")
        with contextlib.suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, "")
