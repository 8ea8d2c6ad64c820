"""A bash in a sandbox, through a command of one of its sessions.

Sessions carry text, line by line, so both ways go as lines of base64; the exit code comes in a line
of the other stream. A stream that breaks is taken up where it stopped: the sandbox keeps the log.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable

import aiohttp
from daytona import AsyncSandbox, DaytonaError

from hermes import TerminalError
from hermes_plugin_daytona.account import said
from hermes_plugin_remote.channel import Channel, LostError

WRAP = r"""
decode() { local l; while IFS= read -r l && [[ $l != . ]]; do printf %s "$l" | base64 -d; done; }
encode() { local c; while c=$(dd bs=49152 count=1 2>/dev/null | base64 -w0) && [[ -n $c ]]; do
  printf '%s\n' "$c"; done; }
{ "$@" < <(decode) 2>&1; echo "exit $?" >&2; } | encode
""".strip()
CHUNK = 48_000
AGAIN = 5
"""How often a broken stream is taken up."""


class SessionChannel(Channel):
    """One command of a session of a sandbox."""

    def __init__(
        self,
        feed: Callable[[bytes], None],
        sandbox: AsyncSandbox,
        session: str,
        command: str,
        free: Callable[[str], None],
    ) -> None:
        """*free* is told the session once it can take another command."""
        super().__init__(feed)
        self._sandbox = sandbox
        self._session = session
        self._command = command
        self._free = free
        self._line = ""
        self._told = 0
        self._skip = 0
        self._errors = ""
        self._following = asyncio.create_task(self._follow())

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            await self._send(base64.b64encode(data[start : start + CHUNK]).decode() + "\n")

    async def end_input(self) -> None:
        await self._send(".\n")

    def close(self) -> None:
        self._following.cancel()

    async def _send(self, text: str) -> None:
        if self.exit.done():
            raise TerminalError("it takes no more input")
        with said(self._sandbox.name):
            await self._sandbox.process.send_session_command_input(
                self._session, self._command, text
            )

    async def _follow(self) -> None:
        for attempt in range(AGAIN):
            self._skip = self._told
            try:
                await self._sandbox.process.get_session_command_logs_async(
                    self._session, self._command, self._output, self._other
                )
                await self._finished()
            except (DaytonaError, aiohttp.ClientError, OSError):
                await asyncio.sleep(0.2 * 2**attempt)
            else:
                return
        self.lost(LostError(f"daytona {self._sandbox.name}: the sandbox is out of reach"))

    async def _finished(self) -> None:
        """The log has ended."""
        if not self.exit.done():
            command = await self._sandbox.process.get_session_command(self._session, self._command)
            if command.exit_code is None:
                raise DaytonaError("the log ended before the command")
            self.exited(command.exit_code)
        self.eof()
        self._free(self._session)

    def _output(self, text: str) -> None:
        """Take lines of output, but not those that a broken stream has given already."""
        if self._skip >= len(text):
            self._skip -= len(text)
            return
        text, self._skip = text[self._skip :], 0
        self._told += len(text)
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            try:
                self.fed(base64.b64decode(line, validate=True))
            except binascii.Error:  # no bash that could wrap it: it is said as it is
                self.fed(line.encode() + b"\n")

    def _other(self, text: str) -> None:
        *lines, self._errors = (self._errors + text).split("\n")
        for line in lines:
            word, _, code = line.partition(" ")
            if word == "exit" and code.isdigit():
                self.exited(int(code))
            else:
                self.complained(line.encode() + b"\n")
