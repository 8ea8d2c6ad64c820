"""One configured server for the whole process: its owner task, its back-off, its tools.

However many conversations there are, a server has one connection, opened by the first that needs
it, and never more than one tree of processes: the old one is dead before the next is started.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from hermes import (
    HermesError,
    Notice,
    PluginContext,
    PluginError,
    ToolCall,
    ToolProgress,
    ToolResult,
)
from hermes_plugin_mcp.definitions import Definition, load, offered, save
from hermes_plugin_mcp.errors import ConnectionFailed, Lost, NotSent
from hermes_plugin_mcp.plan import fill, fingerprint, prefix
from hermes_plugin_mcp.settings import Mcp, McpServer

if TYPE_CHECKING:
    from hermes_plugin_mcp.connection import Connection

State: TypeAlias = Literal["idle", "connecting", "connected", "down", "refused"]

EAGER = 5
"""Failures in a row after which a server is tried again only when it is called."""
STABLE = 30.0
"""Seconds that a connection must have held to forget the failures before it."""
PATIENCE = 1.5
"""Seconds that a call waits for a server that was lost: it is told in less than two."""
CLOSE = 4.0
"""Seconds that the owner task has to end, of the five of `Resource.close`."""


class Unavailable(PluginError):
    """The server cannot be had now: says why, and when it is tried again."""

    def __init__(self, server: str, reason: str, mend: str = "") -> None:
        super().__init__("mcp", f"server {server} {reason}", mend)


class Server:
    """Keep one server connected while it is needed, and run its tools."""

    def __init__(
        self, name: str, settings: McpServer, context: PluginContext, *, problem: str = ""
    ) -> None:
        """*problem* is the line that says why the entry cannot be used."""
        self.name = name
        self.settings = settings
        self.source = f"mcp:{name}"
        self.state: State = "idle"
        self.reason = ""
        """Why it is down, in words."""
        self.connection: Connection | None = None
        """The live one."""
        self._opened: Connection | None = None  # the one held now, live or not yet
        self._problem = problem
        self._context = context
        self._shared: Mcp = context.settings or Mcp()
        self._file: Path = context.paths.cache / f"{prefix(name)}.json"
        self._definitions: tuple[Definition, ...] | None = None
        self._loaded = False
        self._notice = ""
        self.failures = 0
        """In a row, of connections; what a tool does wrong is not one."""
        self._retry_at = -math.inf  # by the loop's clock
        self._used = 0.0
        self._running = 0
        self._wanted = asyncio.Event()
        self._turned = asyncio.Event()  # replaced each time the state changes
        self._stop = asyncio.Event()  # replaced by each `close`
        self._owner: asyncio.Task[None] | None = None

    # What its tools are.

    @property
    def definitions(self) -> tuple[Definition, ...] | None:
        """The last list of tools, of this run or an earlier one; None where none was seen."""
        if not self._loaded:
            self._loaded = True
            self._definitions = load(self._file, fingerprint(self.settings))
        return self._definitions

    def _learn(self, tools: tuple[Definition, ...]) -> None:
        before, self._definitions = self.definitions, tools
        if before == tools:
            return
        try:
            save(self._file, fingerprint(self.settings), tools)
        except OSError as error:
            self._context.log.warning("mcp tool list not kept", server=self.name, error=str(error))
        if before is None:
            return
        old, new = (
            {tool.name: tool for tool in offered(tools, self.settings.tools)}
            for tools in (before, tools)
        )
        parts = [
            f"{word} {', '.join(names)}"
            for word, names in (
                ("new:", [name for name in new if name not in old]),
                ("gone:", [name for name in old if name not in new]),
                ("changed:", [name for name in new if name in old and new[name] != old[name]]),
            )
            if names
        ]
        if parts:
            self._notice = (
                f"MCP server {self.name} has other tools now ({'; '.join(parts)[:200]});"
                " new conversations see them"
            )
            self._context.log.info("mcp tools changed", server=self.name, changes="; ".join(parts))

    # Being connected.

    async def ready(self) -> Connection:
        """Give the live connection, making one if need be. Raises `Unavailable`."""
        if self._problem:
            raise HermesError(self._problem)
        loop = asyncio.get_running_loop()
        live = self.connection
        lost = self.failures or (live is not None and live.ended and not live.on_purpose)
        deadline = loop.time() + (PATIENCE if lost else self.settings.connect_timeout + 5)
        stop = self._stop
        while True:
            if stop.is_set():
                raise Unavailable(self.name, "was closed")
            if self.connection is not None and not self.connection.ended:
                return self.connection
            if self.state == "refused":
                raise self.unavailable()
            if self.state == "down" and loop.time() < self._retry_at:
                raise self.unavailable()
            self._want()
            turned = self._turned
            try:
                await asyncio.wait_for(turned.wait(), max(0.0, deadline - loop.time()))
            except TimeoutError:
                raise self.unavailable() from None

    def retry_in(self) -> float:
        """Seconds until a lost server is tried again."""
        return max(0.0, self._retry_at - asyncio.get_running_loop().time())

    def unavailable(self) -> Unavailable:
        """Say why it cannot be had, and when it can."""
        left = self.retry_in()
        reason = f": {self.reason}" if self.reason else ""
        if self.state == "refused":
            mend = f"mend mcp_servers.{self.name} and restart Hermes; it is not tried again"
            return Unavailable(self.name, f"cannot be used{reason}", mend)
        if self.state == "down" and left > 0:
            return Unavailable(self.name, f"is down{reason}", f"tried again in {math.ceil(left)} s")
        return Unavailable(self.name, f"is being started again{reason}", "call again in a moment")

    def _want(self) -> None:
        self._wanted.set()
        if self._owner is None or self._owner.done():
            # A context of its own: nothing of the conversation that came first goes with it.
            self._owner = asyncio.create_task(
                self._own(), name=self.source, context=contextvars.Context()
            )

    def _turn(self, state: State) -> None:
        self.state = state
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    async def _own(self) -> None:
        """Own the connection: make it, hold it, make it again. Only `close` ends this task."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self._stop.is_set():
                break
            if self.state == "refused":
                continue
            self._turn("connecting")
            began = asyncio.get_running_loop().time()
            try:
                why, lasting = await self._hold(), False
            except (ConnectionFailed, HermesError) as error:
                why, lasting = str(error), getattr(error, "lasting", True)
            except Exception as error:  # noqa: BLE001 - the task's root
                self._context.log.error("mcp connection broke", server=self.name, error=repr(error))
                why, lasting = f"the connection broke: {type(error).__name__}", False
            if self._stop.is_set():
                break
            held = asyncio.get_running_loop().time() - began
            self._settle(self._context.secrets.redact(why), lasting, held)
            if self.state == "down" and not lasting and self.failures <= EAGER:
                await self._pause()
        self._turn("idle")

    async def _hold(self) -> str:
        """Hold one connection from beginning to end. Returns why it was lost, if it was."""
        context = self._context
        # A second of imports, once a process: in a thread, so that the loop goes on.
        module = await asyncio.to_thread(importlib.import_module, "hermes_plugin_mcp.connection")
        connection: Connection = module.Connection(
            fill(self.name, self.settings, context.secrets, context.children.allowlist()),
            context.children,
            limit=self._shared.message_mb * 1_000_000,
            ready=self._connected,
            changed=self._learn,
        )
        self._opened = connection
        try:
            return "" if self._stop.is_set() else await connection.hold(self._still_needed)
        finally:
            self._opened = self.connection = None
            if connection.refused:
                self.state = "refused"

    def _connected(self, connection: Connection, tools: tuple[Definition, ...]) -> None:
        self.connection, self.reason = connection, ""
        self._used = asyncio.get_running_loop().time()
        self._learn(tools)
        self._turn("connected")
        self._context.log.info(
            "mcp server connected",
            server=self.name,
            version=connection.server,
            protocol=connection.protocol,
            tools=len(tools),
        )

    def _settle(self, why: str, lasting: bool, held: float) -> None:
        """Say how it stands after a connection is over."""
        self.reason = why
        if not why:
            self.failures = 0
            return self._turn("idle")
        self.failures = 1 if held >= STABLE else self.failures + 1
        self._context.log.warning("mcp server lost", server=self.name, reason=why)
        if self.state == "refused":
            return self._turn("refused")
        doubled = self._shared.retry_first * 2 ** min(self.failures - 1, 16)
        delay = self._shared.retry_most if lasting else min(doubled, self._shared.retry_most)
        self._retry_at = asyncio.get_running_loop().time() + delay
        return self._turn("down")

    async def _pause(self) -> None:
        """Wait until the next try is due, then want it; closing ends the wait."""
        try:
            await asyncio.wait_for(self._wanted.wait(), self.retry_in())
        except TimeoutError:
            self._wanted.set()

    def _still_needed(self) -> float:
        """Seconds for which the connection is kept, if no call comes."""
        limit = self.settings.idle_timeout_seconds
        if not limit:
            return math.inf
        if self._running:
            return limit
        return self._used + limit - asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Disconnect, and end what was started. It can be used again after."""
        owner = self._owner
        if owner is None:
            return
        self._stop.set()
        self._wanted.set()
        if self._opened is not None:
            self._opened.end()
        _, late = await asyncio.wait({owner}, timeout=CLOSE)
        if late:
            self._context.log.warning("mcp server ends late", server=self.name)
            if self._opened is not None:
                await self._opened.kill()
            _, late = await asyncio.wait({owner}, timeout=0.5)
            if late:
                owner.cancel()
        if self._owner is owner:  # else another close was first, and it may be in use again
            self._owner, self._stop, self.state = None, asyncio.Event(), "idle"
            self.failures, self.reason = 0, ""

    # Calls.

    async def run(self, tool: Definition, call: ToolCall) -> ToolResult:
        """Run a tool. What is wrong with the server comes back as an error that says so."""
        self._tell(call)
        self._running += 1
        try:
            return await self._run(tool, call)
        except HermesError as error:
            return ToolResult(str(error), is_error=True, source=self.source)
        except Lost as error:
            why = f": {error}" if str(error) else ""
            text = (
                f"MCP server {self.name} was lost during the call{why}. Whether {tool.name} took"
                " effect is not known; it was not repeated."
            )
            return ToolResult(text, is_error=True, source=self.source, unknown=True)
        finally:
            self._running -= 1
            self._used = asyncio.get_running_loop().time()

    async def _run(self, tool: Definition, call: ToolCall) -> ToolResult:
        def progress(text: str) -> None:
            call.emit(ToolProgress(call.request.id, f"{text}\n"))

        for _ in range(2):  # a call that did not go out is made once more
            connection = await self.ready()
            try:
                return await connection.call(
                    tool.name, call.request.arguments, self.source, progress
                )
            except NotSent:
                # Let the owner see the end of it before asking for another.
                await asyncio.sleep(0)
        raise self.unavailable()

    def _tell(self, call: ToolCall) -> None:
        if self._notice:
            call.emit(Notice(self._notice))
            self._notice = ""
