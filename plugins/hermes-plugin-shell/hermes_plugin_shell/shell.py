"""The tools `terminal` and `process`."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from hermes import (
    ALONE,
    ONCE,
    CommandResult,
    Lane,
    PluginContext,
    ShellCommand,
    Terminal,
    TerminalError,
    TerminalState,
    Tool,
    ToolCall,
    ToolResult,
    Toolset,
    tool,
)
from hermes_plugin_shell.guidance import objection
from hermes_plugin_shell.harmless import harmless
from hermes_plugin_shell.processes import Processes, Running
from hermes_plugin_shell.progress import Progress
from hermes_plugin_shell.text import ROOM, meaning, told

Action = Literal["list", "poll", "log", "wait", "kill", "write", "submit", "close"]


class Shell(Toolset):
    """Both tools, and the processes that they started."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._processes = Processes(context)
        self._tools = (
            tool(effect=ONCE, needs={"run"}, lane=terminal_lane, commands=terminal_commands)(
                self.terminal
            ),
            tool(effect=ONCE, needs={"run"}, lane=process_lane, commands=process_commands)(
                self.process
            ),
        )

    async def tools(self) -> tuple[Tool, ...]:
        return self._tools

    def last_seen(self) -> tuple[Tool, ...]:
        return self._tools

    async def close(self) -> None:
        await self._processes.close()

    async def terminal(
        self,
        command: str,
        background: Annotated[bool, "Return at once; see the process tool"] = False,
        timeout: Annotated[int | None, "Seconds, at most 600"] = None,  # noqa: ASYNC109
        workdir: Annotated[str, "Run this one command there"] = "",
        notify_on_complete: Annotated[bool, "Background: tell when it ends"] = False,
        watch_patterns: Annotated[tuple[str, ...], "Background: tell of lines with these"] = (),
        keep: Annotated[
            bool, "Background: go on when this conversation ends, without input"
        ] = False,
        *,
        call: ToolCall,
    ) -> ToolResult:
        """Run a bash command. Directory, exported variables and functions last between calls.
        Use the file tools to read, write and search files.
        """
        if error := objection(command) or self._too_long(timeout):
            return ToolResult.error(error)
        if keep and not background:
            return ToolResult.error("keep is for background=true.")
        terminal = await call.terminal()
        start = await _start(call, terminal, workdir)
        if background:
            running = await self._processes.start(
                call,
                command,
                notify=notify_on_complete,
                watch=watch_patterns,
                state=start,
                keep=keep,
            )
            id = running.process.id
            kept = " It is kept: only process, or a person (hermes ps), ends it." if keep else ""
            return ToolResult(
                f"Started in the background as {id}. Use process to watch or end it.{kept}"
            )
        seconds = timeout or self._context.config.section("hermes").terminal.timeout
        began = time.monotonic()
        progress = Progress(call)
        result = await terminal.run(
            command, state=start, timeout=seconds, output=progress.feed, keep=ROOM
        )
        moved = await _keep_state(call, terminal, start, result, bool(workdir))
        output = self._owned(call, result.file)
        whole = f"read_file path={output} reads all of it" if output else ""
        text = told(result.output, result.total, whole)
        foot = _foot(command, result, time.monotonic() - began, moved)
        address = output if output.startswith("output:") else ""
        return ToolResult(
            f"{text.rstrip()}\n{foot}".lstrip("\n"), is_error=result.timed_out, output=address
        )

    async def process(
        self,
        action: Action,
        session_id: Annotated[str, "As terminal gave it"] = "",
        data: Annotated[str, "For write; submit adds a newline"] = "",
        timeout: Annotated[int, "For wait: seconds, at most 600"] = 180,  # noqa: ASYNC109
        offset: Annotated[int | None, "For log: first line; else the last ones"] = None,
        limit: Annotated[int, "For log: lines"] = 200,
        *,
        call: ToolCall,
    ) -> ToolResult:
        """Watch and steer background processes. poll gives what is new, log all that is kept."""
        terminal = await call.terminal()
        if action == "list":
            listed = [_line(one) for one in self._processes.of(terminal)]
            return ToolResult("\n".join(listed) or "No background processes.")
        running = self._processes.find(terminal, session_id)
        process = running.process
        if action == "wait":
            if error := self._too_long(timeout):
                return ToolResult.error(error)
            await process.wait(timeout)
        elif action == "kill":
            await process.kill()
        elif action in ("write", "submit", "close"):
            text = f"{data}\n" if action == "submit" else data if action == "write" else ""
            await process.write(text.encode(), end=action == "close")
            return ToolResult("Input closed." if action == "close" else "Written.")
        if action == "log":
            return ToolResult(_log(running, offset, max(limit, 1)))
        data_new, running.polled = process.output(running.polled)
        new = told(data_new, len(data_new)).rstrip()
        return ToolResult(f"{new}\n[{_line(running)}]".lstrip("\n"))

    def _too_long(self, timeout: int | None) -> str:
        most = self._context.settings.max_timeout
        if timeout is None or 0 < timeout <= most:
            return ""
        if timeout <= 0:
            return "timeout must be at least 1 second."
        return f"timeout is at most {most} seconds; use background=true for what takes longer."

    def _owned(self, call: ToolCall, file: str) -> str:
        """Give the path that reads the whole output: an address where the file is Hermes's.

        The file gets a name that begins with the conversation's, as all kept outputs have: by it
        the policy knows whose it is, and it goes when the conversation is forgotten.
        """
        path = Path(file)
        if not file or path.parent != self._context.paths.outputs:
            return file
        id = re.sub(r"[^A-Za-z0-9_-]", "_", call.request.id)[:100]
        mine = path.with_name(f"{call.request.session.id}-{id}.{path.name}")
        try:
            path.rename(mine)
        except OSError:
            mine = path
        return f"output:{mine.name}"


def terminal_lane(arguments: Mapping[str, Any]) -> Lane:
    """Commands that plainly change nothing overlap; everything else runs alone."""
    background = arguments.get("background") not in (None, False, "false")
    if not background and harmless(str(arguments.get("command", ""))):
        return Lane("*", shared=True)
    return ALONE


def process_lane(arguments: Mapping[str, Any]) -> Lane:
    """Looking at a process overlaps with everything but what changes that process."""
    looking = arguments.get("action") in ("list", "poll", "log", "wait")
    return Lane(f"process:{arguments.get('session_id', '')}", shared=looking)


def terminal_commands(arguments: Mapping[str, Any]) -> tuple[ShellCommand, ...]:
    """Name the command. Arguments of another kind than the tool takes raise a TypeError."""
    command, workdir = arguments["command"], arguments.get("workdir", "")
    if not isinstance(command, str) or not isinstance(workdir, str):
        raise TypeError("command and workdir are texts")
    return (ShellCommand(command, workdir, lasting=bool(arguments.get("keep"))),)


def process_commands(arguments: Mapping[str, Any]) -> tuple[ShellCommand, ...]:
    """To look at a process or to end it runs nothing; what is written to one may do anything."""
    if arguments.get("action") not in ("list", "poll", "log", "wait", "kill"):
        raise ValueError("nobody can tell what a process does with its input")
    return ()


async def _start(call: ToolCall, terminal: Terminal, workdir: str) -> TerminalState:
    """Give the state that all commands of one segment start from.

    Its directory is the one that the call's grant is bound to.
    """
    state: TerminalState = call.batch.setdefault(("shell.state", call.segment), terminal.state)
    directory = call.request.directory or state.directory
    if workdir:
        directory = await terminal.resolve(workdir)
    return TerminalState(directory, state.snapshot)


async def _keep_state(
    call: ToolCall, terminal: Terminal, start: TerminalState, result: CommandResult, elsewhere: bool
) -> str:
    """Keep the state of the segment's last call, and give the directory if it is another one now.

    A ``workdir`` is for one command: unless that changed the directory itself (or the directory
    before is gone) the terminal stays where it was.
    """
    before = terminal.state.directory
    after = result.state
    if elsewhere and after.directory == start.directory and await _exists(terminal, before):
        after = TerminalState(before, after.snapshot)
    if call.index >= call.batch.get(("shell.kept", call.segment), 0):
        call.batch["shell.kept", call.segment] = call.index
        terminal.state = after
    return after.directory if after.directory != before else ""


async def _exists(terminal: Terminal, directory: str) -> bool:
    try:
        return (await terminal.stat(directory)).kind == "directory"
    except TerminalError:
        return False


def _foot(command: str, result: CommandResult, seconds: float, moved: str) -> str:
    """The last line: exit code, what it means, time, and the directory if it changed."""
    said = meaning(command, result.exit_code)
    if result.timed_out:
        said = "timed out; everything it started was ended"
    parts = [f"exit {result.exit_code}{f': {said}' if said else ''}", f"{seconds:.1f} s"]
    if moved:
        parts.append(f"now in {moved}")
    return f"[{', '.join(parts)}]"


def _line(running: Running) -> str:
    process = running.process
    code = process.exit_code
    age = int(time.time() - process.started)
    state = f"running for {age} s" if code is None else f"ended with exit code {code}"
    return f"{process.id}: {state}: {process.command[:100]}"


def _log(running: Running, offset: int | None, limit: int) -> str:
    data, end = running.process.output()
    lines = told(data, len(data), room=10 * len(data) + 100).splitlines()
    first = max(len(lines) - limit, 0) if offset is None else max(offset - 1, 0)
    chosen = "\n".join(lines[first : first + limit]).encode()
    lost = f"; {end - len(data)} bytes before them are not kept" if end > len(data) else ""
    head = f"[lines {first + 1}-{min(first + limit, len(lines))} of {len(lines)}{lost}]"
    return f"{head}\n{told(chosen, len(chosen))}\n[{_line(running)}]"
