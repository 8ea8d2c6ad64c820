"""A terminal for tests: it can `run` and nothing else; its files go by the contract's defaults."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import signal
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hermes.terminal import (
    CommandResult,
    Output,
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
_save() { _code=$?; trap - EXIT; printf %s "$PWD" >"$_out.directory"
  (unset -f _save; export -p; declare -f) >"$_out" 2>/dev/null; exit $_code; }
trap _save EXIT
eval "$_command"
_save
"""


class FakeTerminal(Terminal):
    """Bash in a folder of the test's own, with answers scripted where a test wants them.

    A command that one of *script*'s patterns matches whole is answered and not run; every other
    really runs. ``commands`` lists both. Its environment holds PATH and HOME, its home is the
    folder, and `start` raises, as backends without background processes do.
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

    async def close(self) -> None:
        """End what is still running."""
        for group in self._groups:
            _kill(group, signal.SIGKILL)

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
        state = state or self.state
        self.commands.append(command)
        for pattern, answer in self.script.items():
            if re.fullmatch(pattern, command, re.DOTALL):
                return _answer(answer, state, output, keep)
        return await self._really(command, state, timeout, stdin, output, keep)

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
        env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder)}
        with whole.open("wb") as file:
            try:
                process = await asyncio.create_subprocess_exec(
                    *("bash", "--noprofile", "--norc", "-c", SHELL, "bash"),
                    *(state.snapshot, str(stem), command),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=file,
                    stderr=file,
                    cwd=state.directory,
                    env={**env, "PWD": state.directory} if not state.snapshot else {},
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise TerminalError(f"fake: cannot run in {state.directory}: {error}") from None
        self._groups.add(process.pid)
        timed_out = False
        try:
            async with asyncio.timeout(seconds):
                await _feed(process, stdin)
                await process.wait()
        except TimeoutError:
            timed_out = True
        finally:
            if process.returncode is None:
                await _end(process)
        data = whole.read_bytes()
        if output and data:
            output(data)
        after = state if timed_out else _state(stem, state)
        code = process.returncode or 0
        exit_code = 124 if timed_out else 128 - code if code < 0 else code
        return CommandResult(
            _ends(data, keep),
            exit_code,
            after,
            len(data),
            str(whole) if len(data) > keep else "",
            timed_out,
        )


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


def _kill(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return
