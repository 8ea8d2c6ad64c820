"""A server that is a child process: its pipes as the SDK wants them, and its end.

The SDK has such a transport, but gives no process id and sees the end of the pipes only, which a
grandchild that holds them open puts off for ever. Here the end of the process counts too.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from hermes import Children
from hermes_plugin_mcp.plan import Plan

POLITE = 1.0
"""Seconds that a server has to end by itself once its standard input is closed."""
GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL. With `POLITE` well within the five of `Resource.close`."""
DRAIN = 0.5
"""Seconds that output may still come after the process has ended."""
GARBAGE = 200
"""Lines that are not MCP after which a server is not worth listening to."""
TAIL = 4_000
"""Bytes of standard error that are kept."""

Streams = tuple[Any, Any]


class StdioServer(asyncio.SubprocessProtocol):
    """One child process that speaks MCP, used as the transport of one `mcp.Client`.

    Start it, pass it to the client, and when the client has been left, `end` it.
    """

    def __init__(
        self, plan: Plan, children: Children, *, limit: int, lost: Callable[[], None]
    ) -> None:
        self.failure = ""
        """Why it was given up, in words; empty when it just ended."""
        self.garbage = 0
        """Lines on standard output that were not MCP."""
        self._plan = plan
        self._children = children
        self._limit = limit
        self._lost = lost
        self._line = bytearray()
        self._errors = b""
        self._token = ""
        self._transport: asyncio.SubprocessTransport | None = None
        self._exited = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._writer: asyncio.Task[None] | None = None
        self._incoming, self._read = anyio.create_memory_object_stream[SessionMessage | Exception](
            math.inf
        )
        self._write, self._outgoing = anyio.create_memory_object_stream[SessionMessage](64)

    async def start(self) -> None:
        """Start the process. Raises OSError."""
        env = dict(self._plan.env)
        self._token = self._children.mark(env, what=f"mcp:{self._plan.name}")
        try:
            transport, _ = await asyncio.get_running_loop().subprocess_exec(
                lambda: self,
                *self._plan.argv,
                env=env,
                cwd=self._plan.cwd,
                start_new_session=True,
            )
        except BaseException:
            await self.kill()
            raise
        if pid := transport.get_pid():
            self._children.seal(pid)
        self._transport = transport
        self._writer = asyncio.create_task(self._send_all(), name=f"mcp:{self._plan.name}:stdin")

    async def __aenter__(self) -> Streams:
        return self._read, self._write

    async def __aexit__(self, *exc: object) -> None:
        """Nothing: what is left to do waits, and must not under the client's cancel scopes."""

    async def end(self) -> None:
        """End the process and everything it started: end of input, SIGTERM, SIGKILL."""
        self._write.close()
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=DRAIN)
            self._writer.cancel()
        if self._transport is not None:
            if stdin := self._transport.get_pipe_transport(0):
                stdin.close()
            await self._wait(POLITE)
        await self.kill()
        if self._transport is not None:
            await self._wait(DRAIN)  # closing sooner would race with asyncio's own waiting
            self._transport.close()
        self._finish()
        self._read.close()
        self._outgoing.close()

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._exited.wait(), seconds)
        except TimeoutError:
            pass

    async def kill(self, grace: float = GRACE) -> None:
        """End what is left of the tree."""
        if self._children.alive(self._token):
            await self._children.kill(self._token, grace=grace)
        else:
            self._children.forget(self._token)

    @property
    def said(self) -> str:
        """Last line that it wrote to standard error."""
        lines = self._errors.decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip()[:300] if lines else ""

    @property
    def why(self) -> str:
        """How it ended, in words."""
        code = self._transport.get_returncode() if self._transport is not None else None
        if self.failure:
            how = self.failure
        elif code is None:
            how = "it closed its output"
        else:
            how = f"it was ended by signal {-code}" if code < 0 else f"it exited with code {code}"
        return f"{how} and said: {self.said}" if self.said else how

    # What asyncio calls.

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._errors = (self._errors + data)[-TAIL:]
            return
        if self.failure:
            return
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._line += line
            self._take(bytes(self._line))
            self._line.clear()
        self._line += rest
        if len(self._line) > self._limit:
            self._give_up(f"it sent a message of more than {self._limit // 1_000_000} MB")

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd != 2:
            # Its exit code, which says more, is known in a moment.
            asyncio.get_running_loop().call_later(0 if self._exited.is_set() else 0.1, self._finish)

    def process_exited(self) -> None:
        self._exited.set()
        asyncio.get_running_loop().call_later(DRAIN, self._finish)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _take(self, line: bytes) -> None:
        if self.failure or not line.strip():
            return
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            self.garbage += 1
            if self.garbage > GARBAGE:
                self._give_up("it prints what is not MCP on its standard output")
            return
        try:
            self._incoming.send_nowait(SessionMessage(message))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass  # the client has been left

    def _give_up(self, why: str) -> None:
        self.failure = why
        self._line.clear()
        self._finish()

    def _finish(self) -> None:
        """Tell the client that nothing will come any more; it then fails what waits."""
        self._incoming.close()
        self._lost()

    async def _send_all(self) -> None:
        assert self._transport is not None
        stdin = self._transport.get_pipe_transport(0)
        assert isinstance(stdin, asyncio.WriteTransport)
        async with self._outgoing:
            async for item in self._outgoing:
                await self._writable.wait()
                if stdin.is_closing():
                    return
                json = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                stdin.write(json.encode() + b"\n")
