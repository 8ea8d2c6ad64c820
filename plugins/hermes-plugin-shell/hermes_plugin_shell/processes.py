"""The background processes of the terminals, and what is kept of them for the conversation.

A process ends with its terminal. What a conversation was told to expect is kept in its state, so
that a later turn hears of the end, of a process that ended with Hermes too.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import msgspec

from hermes import Notice, PluginContext, Process, Terminal, TerminalError, ToolCall

KEPT = 32
"""Processes of a conversation that are remembered: with `LINE`, under 64 KB of state."""
LINE = 200
"""Characters of a command or of a line that was watched for."""
LOOK = 0.5
"""Seconds between two looks at the output of a process whose output is watched."""
WATCH_PAUSE = 15.0
"""Seconds between two reports of what was watched for."""


class Kept(msgspec.Struct):
    """What is kept of a process in the conversation's state."""

    id: str
    command: str
    pid: int
    """Of the Hermes that started it."""
    tell: bool = False
    """Its end was asked for, or what was watched for was seen."""
    exit_code: int | None = None
    seen: str = ""
    """Line that matched a watched pattern."""
    keep: bool = False
    """It outlives Hermes."""

    @property
    def lost(self) -> bool:
        """It ended with the Hermes that ran it."""
        if self.keep or self.exit_code is not None or self.pid == os.getpid():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False


async def load(context: PluginContext, session: str) -> dict[str, Kept]:
    """Read what is kept of a conversation's processes."""
    value = await context.state.get("processes", scope="session", of=session)
    return {kept.id: kept for kept in msgspec.convert(value or [], list[Kept])}


async def save(context: PluginContext, session: str, kept: dict[str, Kept]) -> None:
    """Keep the newest of them."""
    value = [msgspec.to_builtins(one) for one in list(kept.values())[-KEPT:]]
    await context.state.set("processes", value or None, scope="session", of=session)


class Running(msgspec.Struct):
    """A process of this Hermes."""

    process: Process
    terminal: Terminal
    session: str
    polled: int = 0
    """Offset up to which its output was given."""
    ended: float | None = None
    """When it ended, on the clock of `time.monotonic`."""


class Processes:
    """Those of this Hermes, by id."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._settings = context.settings
        self._running: dict[str, Running] = {}
        self._watchers: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()

    async def start(
        self, call: ToolCall, command: str, *, notify: bool, watch: tuple[str, ...], **options: Any
    ) -> Running:
        """Start one and watch it to its end."""
        terminal = await call.terminal()
        busy = [one for one in self.of(terminal) if one.ended is None]
        if len(busy) >= self._settings.max_processes:
            raise TerminalError(f"{len(busy)} background processes run already; kill some first")
        process = await terminal.start(command, **options)
        session = call.request.session.id
        running = Running(process, terminal, session)
        self._running[process.id] = running
        await self._keep(running, lambda kept: setattr(kept, "tell", notify))
        task = asyncio.get_running_loop().create_task(self._watch(running, watch, notify, call))
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)
        return running

    def of(self, terminal: Terminal) -> list[Running]:
        """List those of a terminal, finished ones of the last half hour too."""
        oldest = time.monotonic() - self._settings.keep_finished
        gone = [i for i, one in self._running.items() if one.ended and one.ended < oldest]
        for id in gone:
            del self._running[id]
        return [one for one in self._running.values() if one.terminal is terminal]

    def find(self, terminal: Terminal, id: str) -> Running:
        """Raise `TerminalError`, naming those there are, for an unknown one."""
        known = {one.process.id: one for one in self.of(terminal)}
        if id not in known:
            names = ", ".join(known) or "none"
            raise TerminalError(f"no background process {id!r} here; there are: {names}")
        return known[id]

    async def close(self) -> None:
        """Stop watching. The processes themselves end with their terminals."""
        for task in self._watchers:
            task.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)

    async def _watch(
        self, running: Running, watch: tuple[str, ...], notify: bool, call: ToolCall
    ) -> None:
        process = running.process
        if watch:
            await self._look_for(running, watch, call)
        code = await process.wait()
        running.ended = time.monotonic()
        await self._keep(running, lambda kept: setattr(kept, "exit_code", code))
        if notify:
            call.emit(Notice(f"Background process {process.id} ended with {code}."))

    async def _look_for(self, running: Running, watch: tuple[str, ...], call: ToolCall) -> None:
        """Report lines with one of the texts, at most one per `WATCH_PAUSE`."""
        offset, last, rest = 0, 0.0, b""
        while True:
            ended = await running.process.wait(LOOK) is not None
            data, offset = running.process.output(offset)
            lines = (rest + data).splitlines()
            rest = lines.pop() if lines and not ended and not data.endswith(b"\n") else b""
            for line in lines:
                said = line.decode("utf-8", "replace")
                if any(text in said for text in watch) and time.monotonic() - last > WATCH_PAUSE:
                    last = time.monotonic()
                    await self._saw(running, said[:LINE])
                    call.emit(Notice(f"Background process {running.process.id}: {said[:LINE]}"))
            if ended:
                return

    async def _saw(self, running: Running, line: str) -> None:
        def change(kept: Kept) -> None:
            kept.seen, kept.tell = line, True

        await self._keep(running, change)

    async def _keep(self, running: Running, change: Callable[[Kept], None]) -> None:
        process = running.process
        async with self._writing:
            kept = await load(self._context, running.session)
            new = Kept(process.id, process.command[:LINE], os.getpid(), keep=process.keep)
            change(kept.setdefault(process.id, new))
            await save(self._context, running.session, kept)
