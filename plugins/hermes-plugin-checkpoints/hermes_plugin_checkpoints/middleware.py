"""The middleware: around each call that changes files, it remembers how they were."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from pathlib import Path

import msgspec

from hermes import (
    HermesError,
    Lane,
    Middleware,
    Next,
    PluginContext,
    Stage,
    ToolCall,
    ToolResult,
    Turn,
    TurnResult,
)
from hermes_plugin_checkpoints.entries import Call, NotWatched, Watch
from hermes_plugin_checkpoints.settings import Settings
from hermes_plugin_checkpoints.store import Remembered

CHANGING = frozenset({"write", "run"})
TOLD = "rolled-back"
"""State of a conversation: what the model is to be told with its next message."""
ASKED = "asked"
"""State of a conversation: what was asked for in turns that changed files. Kept there and not
beside the files, so that it goes when it is forgotten."""
TURNS = 50


class Checkpoints(Middleware):
    """Stands inside the policy: a call that is refused costs nothing here."""

    stage = Stage.REPAIR

    def __init__(self, context: PluginContext) -> None:
        self._settings: Settings = context.settings
        self._state, self._log = context.state, context.log
        self.remembered = Remembered(
            context.paths.data, self._settings, context.paths.home, context.secrets.holds
        )
        self._asked: OrderedDict[str, str] = OrderedDict()
        self._missed: OrderedDict[Call, None] = OrderedDict()
        self._tidying: asyncio.Task[None] | None = None

    async def open(self) -> None:
        if not self._settings.enabled:
            return
        if self.remembered.git.program is None:
            self._log.warning("git is not installed: files are not remembered before a change")
            return
        self._tidying = asyncio.create_task(self._tidy())

    async def close(self) -> None:
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)

    async def _tidy(self) -> None:
        """Finish what a kill cut short, and drop what is old."""
        try:
            if cut := await asyncio.to_thread(self.remembered.recover):
                self._log.info("changes of calls that were cut short are kept", calls=cut)
            last = await self._state.get("pruned") or 0
            if self._settings.auto_prune and time.time() - last > (
                self._settings.min_interval_hours * 3600
            ):
                await asyncio.to_thread(self.remembered.prune)
                await self._state.set("pruned", time.time())
        except (HermesError, OSError) as error:
            self._log.warning("old checkpoints stay", error=str(error))

    async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
        """Note what was asked for, and tell the model about a rollback since its last turn."""
        self._asked[turn.input.id] = turn.input.text
        while len(self._asked) > 200:
            self._asked.popitem(last=False)
        session = turn.input.session.id
        told = await self._state.get(TOLD, scope="session", of=session)
        if told:
            await self._state.set(TOLD, None, scope="session", of=session)
            turn = turn.replace(context="\n\n".join(filter(None, (turn.input.context, told))))
        return await call_next(turn)

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        if not self._changes(call):
            return await call_next(call)
        watch = await self._begin(call)
        if watch is None:
            return await call_next(call)
        try:
            return await call_next(call)
        finally:
            await asyncio.shield(asyncio.ensure_future(self._end(watch)))

    def _changes(self, call: ToolCall) -> bool:
        """Whether the call may change files of this machine."""
        usable = self._settings.enabled and self.remembered.git.program is not None
        backend = call.request.backend.partition(" ")[0]
        if not (usable and CHANGING & call.tool.needs and backend in self._settings.backends):
            return False
        if not call.request.directory:  # no workspace: a chat that has not opened its terminal yet
            return False
        lane: Lane = call.tool.lane(call.request.arguments)
        return not lane.shared  # a command that only looks shares its lane

    async def _begin(self, call: ToolCall) -> Watch | None:
        request, directory = call.request, Path(call.request.directory)
        try:
            directory = await asyncio.to_thread(directory.resolve)
            about = Call(request.session.id, request.turn, request.tool, str(directory))
            paths = _paths(call, directory)
            try:
                return await asyncio.to_thread(self.remembered.begin, about, paths)
            except NotWatched as error:
                await self._miss(about, str(error))
        except (HermesError, OSError) as error:
            call.log.warning("files are not remembered", error=str(error))
        return None

    async def _miss(self, call: Call, why: str) -> None:
        """Say in the list that a turn may have changed what is not remembered; once for each."""
        if call in self._missed:
            return
        await asyncio.to_thread(self.remembered.miss, call, why)
        await self._note(call.session, call.turn)
        self._missed[call] = None
        while len(self._missed) > 200:
            self._missed.popitem(last=False)

    async def _end(self, watch: Watch) -> None:
        call = watch.call
        try:
            if await asyncio.to_thread(self.remembered.end, watch):
                await self._note(call.session, call.turn)
        except (HermesError, OSError) as error:
            self._log.warning("a change is not remembered", tool=call.tool, error=str(error))

    async def _note(self, session: str, turn: str) -> None:
        """Keep what was asked for in a turn that changed files, for a list of them."""
        asked: dict[str, str] = await self._state.get(ASKED, scope="session", of=session) or {}
        if turn not in asked and turn in self._asked:
            asked[turn] = self._asked[turn][:200]
            latest = dict(list(asked.items())[-TURNS:])
            await self._state.set(ASKED, latest, scope="session", of=session)


def _paths(call: ToolCall, directory: Path) -> tuple[str, ...] | None:
    """Name the files that the call says it touches; None where it does not say."""
    if call.tool.paths is None or "run" in call.tool.needs:
        return None
    named = (Path(path).expanduser() for path in call.tool.paths(call.request.arguments))
    return tuple(str((directory / path).resolve()) for path in named)


class Told(msgspec.Struct, frozen=True):
    """What a rollback did, for the model."""

    restored: tuple[str, ...]

    def __str__(self) -> str:
        names = "\n".join(f"- {path}" for path in self.restored[:50])
        more = f"\n- and {len(self.restored) - 50} more" if len(self.restored) > 50 else ""
        return (
            "[The person rolled back what you did to these files; they are as they were before."
            f" Read them again before you rely on their contents.]\n{names}{more}"
        )
