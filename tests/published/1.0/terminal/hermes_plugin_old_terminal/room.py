"""The terminal: commands by bash, with a home of their own.

Only `run` is written here; reading, writing and listing files have defaults over it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from pathlib import Path

from hermes import (
    CommandResult,
    Output,
    PluginContext,
    Terminal,
    TerminalError,
    TerminalSpec,
    TerminalState,
)

SCRIPT = """\
test -n "$1" && . "$1" >/dev/null 2>&1
export -n PWD OLDPWD SHLVL
_after=$2 _command=$3; set --
_keep() { _code=$?; printf %s "$PWD" >"$_after.directory"
  (unset -f _keep; unset ${!HERMES_@}; export -p; declare -f) >"$_after"; exit $_code; }
trap _keep EXIT
eval "$_command"
"""
"""Start from a snapshot, run the command, and leave a snapshot of what it exported and where.

The mark of `Children`, HERMES_CHILD, is this command's alone and in no snapshot."""
TICK = 0.02
"""Seconds between two looks for new output, while somebody listens."""


class Room(Terminal):
    """Bash with a home of its own. Everything that it starts carries the mark of `Children`."""

    backend = "old-terminal"

    def __init__(
        self, context: PluginContext, shell: str, folder: Path, spec: TerminalSpec
    ) -> None:
        self.state = TerminalState(spec.directory or str(folder))
        self._context = context
        self._shell = shell
        self._folder = folder
        self._spec = spec
        self._kept = folder.with_name(f"{folder.name}.state")
        self._numbers = itertools.count(1)
        self._running: set[str] = set()
        self._closed = False

    async def open(self) -> None:
        for folder in (self._folder, self._kept):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def close(self) -> None:
        self._closed = True
        await asyncio.gather(*map(self._context.children.kill, list(self._running)))

    async def run(
        self,
        command: str,
        *,
        state: TerminalState | None = None,
        timeout: float = 180.0,
        stdin: bytes = b"",
        output: Output | None = None,
        keep: int = 65_536,
    ) -> CommandResult:
        if self._closed:
            raise TerminalError("old-terminal: this terminal is closed")
        before = state or self.state
        stem = self._kept / f"{next(self._numbers)}"
        said = stem.with_suffix(".output")
        children, environment = self._context.children, self._environment()
        token = children.mark(environment, what=command[:60], owner=self._spec.scope)
        self._running.add(token)
        try:
            with said.open("wb") as file:
                process = await self._spawn(command, before, stem, environment, file.fileno())
            ended = asyncio.ensure_future(self._follow(process, stdin, said, output))
            timed_out = False
            try:
                await asyncio.wait_for(asyncio.shield(ended), timeout)
            except TimeoutError:
                timed_out = True
            finally:
                if not ended.done():
                    await children.kill(token)
                    await ended
        finally:
            if not children.alive(token):  # what it left in the background ends with the terminal
                self._running.discard(token)
                children.forget(token)
        code = process.returncode or 0
        total = said.stat().st_size
        return CommandResult(
            ends(said, total, keep),
            124 if timed_out else 128 - code if code < 0 else code,
            before if timed_out else after(stem, before),
            total,
            str(said) if total > keep else "",
            timed_out,
        )

    async def _spawn(
        self,
        command: str,
        before: TerminalState,
        stem: Path,
        environment: dict[str, str],
        output: int,
    ) -> asyncio.subprocess.Process:
        shell = (self._shell, "--noprofile", "--norc", "-c", SCRIPT, "bash")
        try:
            return await asyncio.create_subprocess_exec(
                *(*shell, before.snapshot, str(stem), command),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=before.directory,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            said = f"old-terminal: cannot run in {before.directory}: {error}"
            raise TerminalError(said) from None

    async def _follow(
        self,
        process: asyncio.subprocess.Process,
        stdin: bytes,
        said: Path,
        listener: Output | None,
    ) -> None:
        """Feed the process and tell what it says, until it has ended."""
        feeding = asyncio.ensure_future(feed(process, stdin))
        ended = asyncio.ensure_future(process.wait())
        told = 0
        done: set[asyncio.Future[int]] = set()
        while not done:
            done, _ = await asyncio.wait([ended], timeout=TICK if listener else None)
            if listener:
                with said.open("rb") as file:
                    file.seek(told)
                    if data := file.read():
                        told += len(data)
                        listener(data)
        feeding.cancel()

    def _environment(self) -> dict[str, str]:
        """Give the allowlist, with the room as home: no secret is in it."""
        allowed = self._context.children.allowlist()
        return {**allowed, "HOME": str(self._folder), **dict(self._spec.env)}


async def feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


def after(stem: Path, before: TerminalState) -> TerminalState:
    """Give the state that a command left; the one before where it left none."""
    directory = stem.with_suffix(".directory")
    if not (directory.exists() and stem.exists()):
        return before
    return TerminalState(directory.read_text(), str(stem))


def ends(file: Path, total: int, keep: int) -> bytes:
    """Give all that is in *file*, or as much of its beginning as of its end."""
    with file.open("rb") as opened:
        if total <= keep:
            return opened.read()
        head = opened.read(keep // 2)
        opened.seek(total - keep // 2)
        return head + opened.read()
