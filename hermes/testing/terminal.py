"""A terminal for tests: real bash in a folder, or scripted; files by the contract's defaults."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from hermes.terminal import (
    CommandResult,
    Output,
    Process,
    Terminal,
    TerminalBackend,
    TerminalError,
    TerminalSpec,
    TerminalState,
)

Scripted = str | bytes | CommandResult | Exception
"""What a scripted command gives: its output (exit code 0), a whole result, or what it raises."""

SHELL = """\
test -n "$1" && . "$1" >/dev/null 2>&1
export -n PWD SHLVL
_out=$2 _command=$3; set --
_save() { _code=$?; test -n "$_out" && { printf %s "$PWD" >"$_out.directory"
  (unset -f _save; export -p; declare -f) >"$_out"; } 2>/dev/null; _out=; exit $_code; }
trap _save EXIT
eval "$_command"
_save
"""


class FakeTerminal(Terminal):
    """Bash in a folder of the test's own, with answers scripted where a test wants them.

    A command that one of *script*'s patterns matches whole is answered and not run; every other
    really runs. ``commands`` lists both. Its environment holds PATH and HOME, and its home is the
    folder.
    """

    backend = "fake"

    def __init__(self, folder: Path, script: Mapping[str, Scripted] | None = None) -> None:
        self.folder = folder
        self.script = dict(script or {})
        self.commands: list[str] = []
        self.state = TerminalState(str(folder))
        self._kept = Path(tempfile.mkdtemp(prefix="fake-terminal-", dir=folder.parent))
        self._numbers = itertools.count(1)
        self._groups: set[int] = set()
        self._closed = False
        self._processes: list[FakeProcess] = []

    def processes(self) -> tuple[Process, ...]:
        return tuple(each for each in self._processes if each.exit_code is None)

    async def close(self) -> None:
        """End what is still running."""
        self._closed = True
        for group in self._groups:
            _kill(group, signal.SIGKILL)
        for process in self._processes:
            await process.kill()

    async def run(
        self,
        command: str,
        *,
        state: TerminalState | None = None,
        timeout: float = 180.0,  # noqa: ASYNC109
        stdin: bytes = b"",
        output: Output | None = None,
        keep: int = 65_536,
    ) -> CommandResult:
        self._check_open()
        state = state or self.state
        self.commands.append(command)
        for pattern, answer in self.script.items():
            if re.fullmatch(pattern, command, re.DOTALL):
                return _answer(answer, state, output, keep)
        return await self._really(command, state, timeout, stdin, output, keep)

    async def start(
        self, command: str, *, state: TerminalState | None = None, keep: bool = False
    ) -> Process:
        self._check_open()
        if keep:
            raise TerminalError("fake: nothing is kept here")
        state = state or self.state
        self.commands.append(command)
        started = await asyncio.create_subprocess_exec(
            *("bash", "--noprofile", "--norc", "-c", SHELL, "bash", state.snapshot, "", command),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=state.directory,
            env=self._environment(state),
            start_new_session=True,
        )
        process = FakeProcess(f"p{next(self._numbers)}", command, started)
        self._processes.append(process)
        return process

    def _check_open(self) -> None:
        if self._closed:
            raise TerminalError("fake: this terminal is closed")

    def _environment(self, state: TerminalState) -> dict[str, str]:
        if state.snapshot:
            return {}
        path = os.environ.get("PATH", os.defpath)
        return {"PATH": path, "HOME": str(self.folder), "PWD": state.directory}

    async def _really(
        self,
        command: str,
        state: TerminalState,
        seconds: float,
        stdin: bytes,
        output: Output | None,
        keep: int,
    ) -> CommandResult:
        stem = self._kept / str(next(self._numbers))
        whole = stem.with_suffix(".output")
        with whole.open("wb") as file:
            try:
                process = await asyncio.create_subprocess_exec(
                    *("bash", "--noprofile", "--norc", "-c", SHELL, "bash"),
                    *(state.snapshot, str(stem), command),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=file,
                    stderr=file,
                    cwd=state.directory,
                    env=self._environment(state),
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise TerminalError(f"fake: cannot run in {state.directory}: {error}") from None
        self._groups.add(process.pid)
        timed_out = False
        follower = _Follower(whole, output)
        try:
            async with asyncio.timeout(seconds):
                await _feed(process, stdin)
                await follower.until(process)
        except TimeoutError:
            timed_out = True
        finally:
            if process.returncode is None:
                await _end(process)
        data = whole.read_bytes()
        follower.tell()
        after = state if timed_out else _state(stem, state)
        code = process.returncode or 0
        exit_code = 124 if timed_out else _as_shells(code)
        return CommandResult(
            _ends(data, keep),
            exit_code,
            after,
            len(data),
            str(whole) if len(data) > keep else "",
            timed_out,
        )


class FakeProcess(Process):
    """A background process of a `FakeTerminal`. The last 200 KB of its output are kept."""

    def __init__(self, id: str, command: str, started: asyncio.subprocess.Process) -> None:
        self.id = id
        self.command = command
        self.started = time.time()
        self._process = started
        self._output = bytearray()
        self._total = 0
        self._reading = asyncio.create_task(self._read())

    @property
    def exit_code(self) -> int | None:
        code = self._process.returncode
        return None if code is None or not self._reading.done() else _as_shells(code)

    async def wait(self, timeout: float | None = None) -> int | None:  # noqa: ASYNC109
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._reading)
        except TimeoutError:
            return None
        return self.exit_code

    def output(self, offset: int = 0) -> tuple[bytes, int]:
        start = len(self._output) - (self._total - min(offset, self._total))
        return bytes(self._output[max(start, 0) :]), self._total

    async def write(self, data: bytes, *, end: bool = False) -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing() or self.exit_code is not None:
            raise TerminalError(f"{self.id} takes no more input")
        stdin.write(data)
        await stdin.drain()
        if end:
            stdin.close()

    async def kill(self) -> None:
        _kill(self._process.pid, signal.SIGTERM)
        if await self.wait(2) is None:
            _kill(self._process.pid, signal.SIGKILL)
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while data := await self._process.stdout.read(65_536):
            self._total += len(data)
            self._output += data
            del self._output[:-200_000]
        await self._process.wait()


class FakeBackend(TerminalBackend):
    """Opens a `FakeTerminal` for each scope in a folder beneath *folder*."""

    isolated = True

    def __init__(self, folder: Path, make: Callable[[Path], Terminal] = FakeTerminal) -> None:
        self.folder = folder
        self._make = make
        self.opened: list[TerminalSpec] = []

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        self.opened.append(spec)
        folder = Path(spec.directory or self.folder / spec.scope)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        return self._make(folder)


def _answer(
    answer: Scripted, state: TerminalState, output: Output | None, keep: int
) -> CommandResult:
    if isinstance(answer, Exception):
        raise answer
    if isinstance(answer, CommandResult):
        return answer
    data = answer.encode() if isinstance(answer, str) else answer
    if output and data:
        output(data)
    return CommandResult(_ends(data, keep), 0, state, len(data))


def _ends(data: bytes, keep: int) -> bytes:
    """All of *data*, or as much of its beginning as of its end."""
    half = keep // 2
    return data if len(data) <= keep else data[:half] + data[len(data) - half :]


def _state(stem: Path, before: TerminalState) -> TerminalState:
    told = stem.with_suffix(".directory")
    if not told.exists() or not stem.exists():
        return before
    return TerminalState(told.read_text(), str(stem))


class _Follower:
    """Tells a listener what is new in the file that a command writes to."""

    def __init__(self, file: Path, listener: Output | None) -> None:
        self._file = file
        self._listener = listener
        self._told = 0

    async def until(self, process: asyncio.subprocess.Process) -> None:
        """Follow the file until *process* has ended."""
        ended = asyncio.ensure_future(process.wait())
        while not (await asyncio.wait((ended,), timeout=0.02))[0]:
            self.tell()

    def tell(self) -> None:
        """Tell what came since the last time."""
        if self._listener is None:
            return
        with self._file.open("rb") as file:
            file.seek(self._told)
            if data := file.read():
                self._told += len(data)
                self._listener(data)


async def _feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    if process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, two seconds, SIGKILL, for the whole group."""
    _kill(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(2):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        _kill(process.pid, signal.SIGKILL)
    await process.wait()


def _as_shells(code: int) -> int:
    return 128 - code if code < 0 else code


def _kill(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return
