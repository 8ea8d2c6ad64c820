"""Messages from a pipe: a line each, for scripts."""

from __future__ import annotations

import asyncio
import os
import threading


class PipedLines:
    """Standard input that is no terminal, as messages."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    async def message(self, prompt: str, more: str) -> str:
        """Give the next line; one that ends with a backslash goes on. Raises EOFError."""
        lines: list[str] = []
        while True:
            line = await self._lines.get()
            if line is None:
                self._lines.put_nowait(None)
                if lines:
                    return "\n".join(lines)
                raise EOFError
            if not line.endswith("\\"):
                return "\n".join([*lines, line])
            lines.append(line[:-1])

    def _read(self) -> None:
        # Not by sys.stdin: its lock, held by a thread that waits, is fatal when Python ends.
        rest = b""
        while True:
            try:
                piece = os.read(0, 65_536)
            except OSError:
                piece = b""
            *whole, rest = (rest + piece).split(b"\n")
            if not piece and rest:
                whole.append(rest)
            try:
                for line in whole:
                    text = line.decode("utf-8", "replace").rstrip("\r")
                    self._loop.call_soon_threadsafe(self._lines.put_nowait, text)
                if not piece:
                    self._loop.call_soon_threadsafe(self._lines.put_nowait, None)
                    return
            except RuntimeError:  # the loop has ended
                return
