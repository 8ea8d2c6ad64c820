"""The tools of one conversation, and the one gate that every call passes (§10).

`Toolbox.call` is the only way to run any tool. The `tool` middleware gives grants; the kernel gives
none: without a grant for exactly these bytes a call is denied, and the answer says what would mend
it. So a missing, disabled or broken policy all mean *denied*.
"""

from __future__ import annotations

import asyncio
import difflib
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hermes.chain import Broken, Link, compose
from hermes.context import PluginContext
from hermes.errors import Failed, HermesError, one_line
from hermes.events import ToolFinished, ToolStarted
from hermes.killpoint import reach
from hermes.messages import ToolUse, clean
from hermes.middleware import Next
from hermes.records import Finished, Started
from hermes.session import SessionInfo
from hermes.sources import labelled, of_call, plain
from hermes.tools import (
    ALONE,
    TOGETHER,
    Effect,
    Lane,
    Need,
    Tool,
    ToolCall,
    ToolRequest,
    ToolResult,
)
from hermes.transcript import Transcript
from hermes.turn import Turn

if TYPE_CHECKING:
    from hermes.terminals import Terminals

AT_ONCE = 8
"""Calls of one answer that run at the same time."""
UNKNOWN_OUTCOME = (
    "Unknown outcome: Hermes was stopped while this ran, and it was not repeated."
    " Check whether it happened before doing it again."
)
PLACED: frozenset[Need] = frozenset({"read", "write", "run"})
"""What a tool needs that depends on where its terminal is."""
CANCELLED = "[Cancelled by the user before it finished.]"


class Prepared(msgspec.Struct):
    """A tool use of the model's answer, made ready: a call, or the error that answers it."""

    use: ToolUse
    tool: Tool | None = None
    arguments: dict[str, Any] = {}
    lane: Lane = TOGETHER
    error: str = ""
    segment: int = 0


class Toolbox:
    """Tools by name, for one conversation."""

    def __init__(
        self,
        tools: Iterable[Tool],
        links: Iterable[Link],
        *,
        transcript: Transcript,
        info: SessionInfo,
        context: Callable[[str], PluginContext],
        terminals: Terminals,
        outputs: Path,
        redact: Callable[[str], str],
        redact_file: Callable[[Path], None],
    ) -> None:
        self.tools = {tool.name: tool for tool in tools}
        self.transcript = transcript
        self.info = info
        self._context = context
        self._terminals = terminals
        self._outputs = outputs
        self._redact = redact
        self._redact_file = redact_file
        self._chain: Next[ToolCall, ToolResult] = compose("tool", links, self._gate)

    async def call(self, call: ToolCall) -> ToolResult:
        """Run one call through policy and gate. What goes wrong is an error result."""
        try:
            return await self._chain(call)
        except Failed as failed:
            return ToolResult.error(failed.failure.message)
        except Broken as broken:
            return ToolResult.error(f"Not run: {broken}")

    async def _gate(self, call: ToolCall) -> ToolResult:
        """The innermost step: check the grant, say that it starts, run it, keep the output."""
        request, grant = call.request, call.request.grant
        if grant is None:
            return ToolResult.error(
                f"Denied: nobody allowed {request.tool}. No policy gave a grant;"
                " enable one (hermes plugins enable approvals)."
            )
        if self._lane(call.tool, request.arguments) == ALONE:
            call = call.replace(directory=self._terminals.directory(request.session))
        if grant.digest != call.digest:
            return ToolResult.error(f"Denied: {request.tool} changed after it was allowed.")
        if call.tool.effect is not Effect.READ:
            reach("tool.granted")
            started = Started(
                id=request.id,
                tool=request.tool,
                effect=call.tool.effect,
                key=request.key,
                digest=grant.digest,
            )
            self.transcript.note(started, request.turn)
            await self.transcript.commit()
            reach("tool.started")
        call.batch["began", request.id] = (
            time.monotonic()
        )  # what a person took to allow it is not its time
        call.emit(ToolStarted(request.id, request.tool, self._shown(request.arguments)))
        result = await self._run(call)
        if result.output.startswith("output:"):  # a tool kept it as it came
            kept = self._outputs / result.output.removeprefix("output:")
            await asyncio.to_thread(self._redact_file, kept)
        return self._keep(call, result)

    async def _run(self, call: ToolCall) -> ToolResult:
        try:
            return await call.tool.run(call)
        except Failed as failed:
            return ToolResult.error(failed.failure.message)
        except HermesError as error:
            return ToolResult.error(one_line(error, 2000))
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a tool's code)
            call.log.warning("tool raised", tool=call.request.tool, error=one_line(error))
            return ToolResult.error(f"{call.request.tool} failed: {one_line(error, 2000)}")

    def _keep(self, call: ToolCall, result: ToolResult) -> ToolResult:
        """Keep a long output whole on disk; give the model head, tail and address."""
        text = clean(self._redact(result.text))
        if len(text) > call.tool.limit:
            address, kept = _address(call.request), True
            try:
                self._outputs.mkdir(parents=True, exist_ok=True)
                (self._outputs / address).write_text(text, encoding="utf-8")
            except OSError as error:  # it ran, so its result counts, as far as there is room
                call.log.warning("output not kept", tool=call.request.tool, error=one_line(error))
                kept = False
            whole = f"read_file path=output:{address} reads all" if kept else "nothing is kept"
            head, tail = call.tool.limit * 5 // 8, call.tool.limit * 2 // 8
            missing = len(text) - head - tail
            text = (
                f"{text[:head]}\n[… {missing} of {len(text)} characters left out;"
                f" {whole} of it …]\n{text[-tail:]}"
            )
            result = msgspec.structs.replace(result, output=f"output:{address}" if kept else "")
        return msgspec.structs.replace(
            result, text=text, source=plain(result.source) or of_call(call)
        )

    # -- a whole answer's calls ---------------------------------------------------------------

    def prepare(self, uses: Sequence[ToolUse]) -> list[Prepared]:
        """Decode the arguments of an answer's calls and find their lanes."""
        prepared: list[Prepared] = []
        segment = 0
        for use in uses:
            one = self._prepare(use)
            alone = one.lane.excludes(TOGETHER)
            segment += alone
            one.segment = segment
            segment += alone
            prepared.append(one)
        return prepared

    def _prepare(self, use: ToolUse) -> Prepared:
        tool = self.tools.get(use.name)
        if tool is None:
            near = difflib.get_close_matches(use.name, self.tools, 3)
            known = ", ".join(near or sorted(self.tools))
            return Prepared(use, error=f"There is no tool {use.name!r}. Known: {known}")
        try:
            arguments = msgspec.json.decode(use.arguments or "{}", type=dict[str, Any])
        except msgspec.DecodeError as error:
            said = f"The arguments of {use.name} must be one JSON object: {error}"
            return Prepared(use, tool, error=said)
        return Prepared(use, tool, arguments, self._lane(tool, arguments))

    def _lane(self, tool: Tool, arguments: dict[str, Any]) -> Lane:
        try:
            return tool.lane(arguments)
        except (Exception, SystemExit):  # noqa: BLE001  (isolation: a tool's code; the worst is assumed)
            return ALONE

    async def batch(self, turn: Turn, prepared: Sequence[Prepared]) -> None:
        """Run an answer's calls, by lane, and note their results.

        The result of an effect is made durable while other calls still run; those of `READ` calls
        wait for the end of the step. When cancelled, what finished keeps its result, the rest says
        that it was cancelled. Where it is the process that ends, a call that has not begun has no
        result: the resumed turn asks again whether it may run (§7.1).
        """
        noted: set[int] = set()
        ended = [asyncio.Event() for _ in prepared]
        room = asyncio.Semaphore(AT_ONCE)
        scratch: dict[Any, Any] = {}
        results: dict[int, Finished] = {}

        async def one(place: int) -> None:
            mine = prepared[place]
            for earlier in range(place):
                if mine.lane.excludes(prepared[earlier].lane):
                    await ended[earlier].wait()
            async with room:
                results[place] = await self._finish(turn, mine, place, scratch)
            if mine.tool is not None and mine.tool.effect is not Effect.READ:
                self.transcript.note(results[place], turn.input.id)
                noted.add(place)
                if len(results) < len(prepared):
                    await self.transcript.commit()
            ended[place].set()

        goes_on = False
        try:
            async with asyncio.TaskGroup() as group:
                for place in range(len(prepared)):
                    group.create_task(one(place))
        except asyncio.CancelledError:
            goes_on = not turn.cancelled.is_set()
            raise
        finally:
            for place, mine in enumerate(prepared):
                began = place in results or ("began", mine.use.id) in scratch
                if place in noted or (goes_on and not began):
                    continue
                result = results.get(place) or self._cut_short(turn, mine, scratch)
                self.transcript.note(result, turn.input.id)

    async def _finish(
        self, turn: Turn, mine: Prepared, index: int, scratch: dict[Any, Any]
    ) -> Finished:
        began, news = time.monotonic(), ""
        if mine.error or mine.tool is None:
            result = ToolResult.error(mine.error)
        elif self._was_cut(turn, mine):
            result = ToolResult(UNKNOWN_OUTCOME, is_error=True, unknown=True)
        else:
            await self._terminals.settle(self.info)
            result = await self.call(self._make_call(turn, mine, index, scratch))
            news = clean("".join(f"[{each}]\n" for each in self._terminals.news(self.info)))
        elapsed = round(time.monotonic() - scratch.get(("began", mine.use.id), began), 3)
        name = mine.use.name
        turn.emit(ToolFinished(mine.use.id, name, news + result.text, result.is_error, elapsed))
        return Finished(
            id=mine.use.id,
            tool=name,
            text=news + labelled(clean(result.text), plain(result.source)),
            is_error=result.is_error,
            images=result.images,
            output=result.output,
            elapsed=elapsed,
            unknown=result.unknown,
            source=plain(result.source),
        )

    def _was_cut(self, turn: Turn, mine: Prepared) -> bool:
        """A `ONCE` call that started in another life of this turn."""
        open_turn = self.transcript.fold.turn
        started = open_turn.started.get(mine.use.id) if open_turn else None
        return started is not None and started.effect == Effect.ONCE

    def _cut_short(self, turn: Turn, mine: Prepared, scratch: dict[Any, Any]) -> Finished:
        began = ("began", mine.use.id) in scratch
        once = mine.tool is not None and mine.tool.effect is Effect.ONCE
        text = CANCELLED + (" It had started; what it did until then stands." if began else "")
        turn.emit(ToolFinished(mine.use.id, mine.use.name, text, True))
        return Finished(
            id=mine.use.id, tool=mine.use.name, text=text, is_error=True, unknown=began and once
        )

    def _make_call(
        self, turn: Turn, mine: Prepared, index: int, scratch: dict[Any, Any]
    ) -> ToolCall:
        assert mine.tool is not None
        directory = scratch.setdefault(
            ("directory", mine.segment), self._terminals.directory(self.info)
        )
        backend, isolated = self._terminals.place() if mine.tool.needs & PLACED else ("", False)
        request = ToolRequest(
            id=mine.use.id,
            tool=mine.use.name,
            arguments=mine.arguments,
            session=self.info,
            turn=turn.input.id,
            directory=directory,
            backend=backend,
            isolated=isolated,
            key=f"{turn.input.id}:{mine.use.id}" if mine.tool.effect is Effect.KEYED else "",
            sources=tuple(self.transcript.fold.sources),
        )

        def another(tool: str, arguments: dict[str, Any]) -> ToolCall | None:
            text = msgspec.json.encode(arguments).decode()
            would = self._prepare(ToolUse(mine.use.id, tool, text))
            would.segment = mine.segment
            known = would.tool is not None and not would.error
            return self._make_call(turn, would, index, scratch) if known else None

        return ToolCall(
            request,
            mine.tool,
            context=self._context(mine.tool.plugin),
            authority=turn.input.authority,
            emit=turn.emit,
            ask=turn.ask,
            models=turn.models,
            terminal=lambda: self._terminals.get(self.info),
            batch=scratch,
            index=index,
            segment=mine.segment,
            another=another,
        )

    def _shown(self, arguments: dict[str, Any]) -> str:
        return self._redact(msgspec.json.encode(arguments).decode())


def _address(request: ToolRequest) -> str:
    """Name the file of a call's whole output: its conversation, then the call."""
    name = "".join(c if (c.isascii() and c.isalnum()) or c in "-_" else "_" for c in request.id)
    if len(name) > 100:
        name = f"{name[:80]}-{hashlib.sha256(request.id.encode()).hexdigest()[:16]}"
    return f"{request.session.id}-{name}"
