"""Writing to the terminal: styles where it has them, and never an escape sequence of others.

What a model, a tool or a web page says may hold control sequences, which could rewrite what a
person sees or what their terminal does. All text passes `plain` before it is written.
"""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from typing import TextIO

import msgspec

CONTROLS = {code: None for code in (*range(32), 127, *range(128, 160)) if code not in (9, 10)}
JOINERS = "\u200c\u200d"
"""Format characters that scripts and emoji need; the others only hide or turn text around."""
STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Symbols(msgspec.Struct, frozen=True):
    """Marks before lines."""

    tool: str = "⚙"
    ok: str = "✓"
    bad: str = "✗"
    more: str = "…"
    prompt: str = "❯"
    note: str = "·"
    stop: str = "■"


ASCII = Symbols("*", "ok", "x", "...", ">", "-", "#")


class Screen:
    """Standard output, or another stream, as a chat writes on it."""

    def __init__(self, stream: TextIO | None = None, *, live: bool | None = None) -> None:
        self._out = stream or sys.stdout
        if hasattr(self._out, "reconfigure"):
            self._out.reconfigure(errors="replace")  # rather a question mark than an error
        self.live = self._out.isatty() if live is None else live
        """A person watches: a line that was begun may be finished or taken back."""
        dumb = os.environ.get("TERM", "") in ("", "dumb")
        self.colours = self.live and not dumb and not os.environ.get("NO_COLOR")
        utf8 = (getattr(self._out, "encoding", "") or "").lower().replace("-", "") == "utf8"
        self.symbols = Symbols() if utf8 else ASCII
        self._at_start = True
        self._status = False

    @property
    def width(self) -> int:
        return shutil.get_terminal_size((80, 24)).columns

    def style(self, text: str, *names: str) -> str:
        """Give *text*, already plain, in a style; as it is where there are no colours."""
        if not self.colours or not text or not names:
            return text
        return f"\x1b[{';'.join(STYLES[name] for name in names)}m{text}\x1b[0m"

    def line(self, text: str = "", *styles: str) -> None:
        """Write a line of its own; text of others is made plain first."""
        self.fresh()
        self._write(self.style(plain(text), *styles) + "\n")

    def begin(self, styled: str) -> None:
        """Write the beginning of a line that `finish` ends."""
        self.fresh()
        self._write(styled)

    def finish(self, styled: str) -> None:
        self._write(styled + "\n")

    def text(self, text: str) -> None:
        """Write a piece of running text."""
        self.clear_status()
        self._write(plain(text))

    def fresh(self) -> None:
        """Go to the beginning of a line."""
        self.clear_status()
        if not self._at_start:
            self._write("\n")

    @property
    def at_start(self) -> bool:
        return self._at_start

    def status(self, text: str) -> None:
        """Show what goes on, until something is written. Only where it can be taken back."""
        if self.colours and self._at_start:
            self._out.write("\r" + self.style(clip(text, self.width - 1), "dim") + "\x1b[K")
            self._out.flush()
            self._status = True

    def clear_status(self) -> None:
        if self._status:
            self._out.write("\r\x1b[K")
            self._status = False

    def _write(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()
            self._at_start = text.endswith("\n")


def plain(text: str) -> str:
    """Take out control characters, keeping tabs and line ends."""
    return text.replace("\r\n", "\n").translate(CONTROLS)


def shown(text: str) -> str:
    """Make *text* plain, and write out characters that hide or turn around what follows them.

    For what a person is asked to approve: what they see must be what runs.
    """
    text = plain(text)
    if text.isascii():
        return text
    return "".join(
        f"<U+{ord(each):04X}>"
        if unicodedata.category(each) == "Cf" and each not in JOINERS
        else each
        for each in text
    )


def columns(text: str) -> int:
    """Give the number of columns that *text* takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def clip(text: str, width: int) -> str:
    """Make *text* one line of *width* columns, with nothing hidden in it."""
    text = " ".join(shown(text).split())
    if columns(text) <= width:
        return text
    while text and columns(text) > width - 1:
        text = text[: -max(1, (columns(text) - width + 1) // 2)]
    return text + "…"
