"""One connection to one server, from its beginning to its end. Imports the SDK: load it late.

The SDK's client stands on cancel scopes: the task that enters it must leave it, and is the one that
is cancelled when an HTTP server dies. So `Connection.hold` is run by a server's owner task, which
does nothing else, and expects to be thrown out; calls come from any task.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
from mcp import Client, MCPError
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost
from mcp_types import (
    CONNECTION_CLOSED,
    INVALID_REQUEST,
    REQUEST_TIMEOUT,
    Implementation,
    ToolListChangedNotification,
)

from hermes import Children, ToolResult, clean, one_line
from hermes_plugin_mcp.definitions import Definition
from hermes_plugin_mcp.errors import ConnectionFailed, Lost, NotSent
from hermes_plugin_mcp.http import http_transport
from hermes_plugin_mcp.plan import Plan
from hermes_plugin_mcp.stdio import StdioServer
from hermes_plugin_mcp.wire import definition, sendable, tool_result

# What the SDK logs of a broken server is ours to say; without a handler it goes to the terminal.
logging.getLogger("mcp").addHandler(logging.NullHandler())

LEAVE = 3.0
"""Seconds that leaving the client may take before its waits are cancelled."""
PAGES = 100
"""Pages of tools that are asked for at most."""
LISTEN_AGAIN = (1.0, 300.0)
"""Seconds until a lost subscription is taken again: first and most."""


class Connection:
    """Hold one connection, and call tools over it while it is held."""

    def __init__(
        self,
        plan: Plan,
        children: Children,
        *,
        limit: int,
        ready: Callable[[Connection, tuple[Definition, ...]], None],
        changed: Callable[[tuple[Definition, ...]], None],
    ) -> None:
        """*ready* is called when calls may come, *changed* when the server has other tools now."""
        self.plan = plan
        self.refused = ""
        """Set where the server did not accept who we are: nothing is to be tried again."""
        self.server = ""
        """Name and version by which the server calls itself."""
        self.protocol = ""
        self._limit = limit
        self._ready = ready
        self._changed = changed
        self._connected = False
        self._child_lost = False
        self._ended = asyncio.Event()
        self._relist = asyncio.Event()
        self._scope = anyio.CancelScope()
        self._client: Client | None = None
        self._stdio = (
            StdioServer(plan, children, limit=limit, lost=self._child_gone) if plan.argv else None
        )
        self.calls: set[asyncio.Task[Any]] = set()
        """Under way, those whose caller has gone included."""
        self._last_status = 0  # of the last HTTP answer that was an error
        self.on_purpose = False
        """It ended because it was not needed, or only to begin anew."""

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def end(self) -> None:
        """Make `hold` return soon. Calls under way fail at once."""
        self.on_purpose = self.on_purpose or not self.ended
        self._ended.set()
        if not self._connected:
            self._scope.cancel()

    async def kill(self) -> None:
        """End its processes now, from any task; `hold` then has little left to wait for."""
        if self._stdio is not None:
            await self._stdio.kill(grace=0)

    # The owner task.

    async def hold(self, idle: Callable[[], float]) -> str:
        """Connect, and stay until the connection is lost, `end` is called or nobody needs it.

        *idle* says for how many seconds it is still needed. Returns why it was lost, empty where it
        was ended on purpose. Raises ConnectionFailed when it could not be had in the first place.
        """
        stdio = self._stdio
        broken: Exception | None = None
        try:
            if stdio is not None:
                await stdio.start()
            self._scope.deadline = anyio.current_time() + self.plan.connect_timeout
            with self._scope:
                async with AsyncExitStack() as stack:
                    await self._serve(stack, stdio, idle)
        except Exception as error:  # noqa: BLE001 - whatever a server or the SDK comes to
            broken = error
        finally:
            self._ended.set()
            await self._drop_calls()
            if stdio is not None:
                await stdio.end()
        return self._verdict(stdio, broken)

    async def _serve(
        self, stack: AsyncExitStack, stdio: StdioServer | None, idle: Callable[[], float]
    ) -> None:
        client = Client(
            stdio or await http_transport(self.plan, stack, limit=self._limit, status=self._status),
            message_handler=self._hear,
            client_info=Implementation(name="hermes", version="1"),
            cache=None,
        )
        async with client:
            self._client = client
            self.protocol = client.protocol_version
            if about := client.server_info:
                self.server = f"{about.name} {about.version}".strip()
            tools = await self._list(client)
            self._connected, self._scope.deadline = True, math.inf
            self._last_status = 0  # of the probing for a protocol
            self._ready(self, tools)
            async with anyio.create_task_group() as group:
                group.start_soon(self._listen, client)
                group.start_soon(self._list_again, client)
                while not self.ended and (left := idle()) > 0:
                    with anyio.move_on_after(left):
                        await self._ended.wait()
                if not self.ended:
                    self.end()
                group.cancel_scope.cancel()
            self._scope.deadline = anyio.current_time() + LEAVE

    def _child_gone(self) -> None:
        if not self.ended:
            self._child_lost = True
            self._ended.set()

    def _verdict(self, stdio: StdioServer | None, broken: Exception | None) -> str:
        """Say why it is over, or raise where it never began."""
        why = self.refused
        if self.on_purpose and self._connected:
            return ""
        if not why and stdio is not None and self._child_lost:
            why = stdio.why
        if not why and broken is not None:
            cause = _leaf(broken)
            answered = isinstance(cause, MCPError) and self._last_status
            why = f"it answered HTTP {self._last_status}" if answered else one_line(cause)
        if self._connected:
            return why
        if not why and self._scope.cancelled_caught:
            why = f"it did not answer within {self.plan.connect_timeout:g} s"
            if stdio is not None and stdio.garbage:
                why += f", but printed {stdio.garbage} lines that are not MCP"
            if stdio is not None and stdio.said:
                why += f"; it said: {stdio.said}"
        raise ConnectionFailed(why or "it was disconnected", lasting=isinstance(broken, OSError))

    def _status(self, status: int) -> None:
        """Hear of an answer's HTTP status, which the SDK does not pass on."""
        self._last_status = status
        # Later on, 403 may be about one tool; 401 is always about who we are.
        if status == 401 or (status == 403 and not self._connected):
            self.refused = f"it refused our credentials (HTTP {status})"
            self._ended.set()

    # Tools and their changes.

    async def _list(self, client: Client) -> tuple[Definition, ...]:
        tools: list[Definition] = []
        if client.server_capabilities.tools is None:
            return ()
        cursor: str | None = None
        for _ in range(PAGES):
            page = await client.list_tools(cursor=cursor)
            tools += map(definition, page.tools)
            cursor = page.next_cursor
            if not cursor:
                break
        return tuple(tools)

    async def _hear(self, message: object) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._relist.set()

    async def _list_again(self, client: Client) -> None:
        """Ask for the tools again whenever the server says that they changed."""
        while True:
            await self._relist.wait()
            await anyio.sleep(0.2)  # changes come in bursts
            self._relist.clear()
            try:
                with anyio.fail_after(self.plan.connect_timeout):
                    self._changed(await self._list(client))
            except (MCPError, TimeoutError, ValueError):
                pass  # the next change, or the next connection, lists again

    async def _listen(self, client: Client) -> None:
        """Subscribe to changes where the protocol (2026-07-28) wants that; older ones just tell."""
        delay, most = LISTEN_AGAIN
        while True:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    delay = LISTEN_AGAIN[0]
                    async for _ in changes:
                        self._relist.set()
                    return
            except (ListenNotSupportedError, MCPError, TimeoutError):
                return
            except SubscriptionLost:
                await anyio.sleep(delay)
                delay = min(most, delay * 2)
                self._relist.set()

    # Calls.

    async def call(
        self,
        tool: str,
        arguments: dict[str, Any],
        source: str,
        said: Callable[[str], None],
    ) -> ToolResult:
        """Call a tool, from any task. Raises `NotSent` or `Lost`.

        When the caller is cancelled it returns at once; the cancellation is sent meanwhile.
        """
        client = self._client
        if client is None or self.ended:
            raise NotSent

        async def tell(progress: float, total: float | None, message: str | None) -> None:
            part = f"{progress:g}" if total is None else f"{progress:g} of {total:g}"
            said(f"{part}: {clean(message)}" if message else part)

        timeout = self.plan.timeout
        request = asyncio.create_task(
            client.call_tool(tool, sendable(arguments), timeout, tell), name=f"mcp:{source}:{tool}"
        )
        self.calls.add(request)
        request.add_done_callback(self._forget)
        over = asyncio.create_task(self._ended.wait())
        try:
            # The SDK counts from when the request was written, which may itself wait for ever.
            await asyncio.wait(
                {request, over}, timeout=timeout + 2, return_when=asyncio.FIRST_COMPLETED
            )
            if over.done() and not request.done():
                # Its answer may lie unread behind the news of the end.
                await asyncio.wait({request}, timeout=0.1)
            if not request.done() or request.cancelled():
                raise Lost("" if over.done() else f"it did not answer within {timeout:g} s")
            return tool_result(request.result(), source)
        except MCPError as error:
            return self._failed(error, source)
        except (ValueError, RuntimeError) as error:
            # What it answered is not what the protocol or its own schema allows.
            return ToolResult(clean(one_line(error, 2_000)), is_error=True, source=source)
        finally:
            over.cancel()
            request.cancel()

    def _failed(self, error: MCPError, source: str) -> ToolResult:
        """Tell the connection's failures from a tool's, which never count against the server."""
        if error.code == REQUEST_TIMEOUT:
            raise Lost(f"it did not answer within {self.plan.timeout:g} s")
        if error.code == INVALID_REQUEST and error.message == "Session terminated":
            self.end()  # the next connection has another session
            raise NotSent
        if error.code == CONNECTION_CLOSED:
            raise Lost("" if self.ended else error.message)
        if self.refused:
            raise NotSent
        return ToolResult(clean(f"{error.message} ({error.code})"), is_error=True, source=source)

    def _forget(self, request: asyncio.Task[Any]) -> None:
        self.calls.discard(request)
        if not request.cancelled():
            request.exception()

    async def _drop_calls(self) -> None:
        """End what was left by callers that were cancelled."""
        for request in tuple(self.calls):
            request.cancel()
        if self.calls:
            await asyncio.wait(self.calls, timeout=1.0)


def _leaf(error: BaseException) -> BaseException:
    """Find the first cause in a group of groups."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error
