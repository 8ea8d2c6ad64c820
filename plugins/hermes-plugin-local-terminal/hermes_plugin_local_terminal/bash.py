"""Commands as processes of this machine: what `local` is, and sandboxes stand on."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import shlex
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

from hermes import (
    CommandResult,
    PluginContext,
    Process,
    Terminal,
    TerminalError,
    TerminalSpec,
    TerminalState,
)
from hermes_plugin_local_terminal import files
from hermes_plugin_local_terminal.capture import Capture, Relay, Rolling, Sink, new_spool
from hermes_plugin_local_terminal.child import Child
from hermes_plugin_local_terminal.endings import to_the_end
from hermes_plugin_local_terminal.kept import KeptProcess
from hermes_plugin_local_terminal.process import LocalProcess
from hermes_plugin_local_terminal.shell import SCRIPT, Snapshots

Arguments: TypeAlias = list[str]
SETTLE = 1.0
"""Seconds after a command until what it left is looked for."""


class BashTerminal(Terminal):
    """Commands of one scope as processes of this machine; files by the contract's defaults.

    Their environment is an allowlist: what the kernel gives to every child, the variables that
    ``terminal.env_passthrough`` names, those of the spec, and what commands export afterwards.
    """

    def __init__(self, context: PluginContext, spec: TerminalSpec, shell: str) -> None:
        self._context = context
        self._children = context.children
        self._spec = spec
        self._shell = shell
        self._running: dict[str, Child] = {}
        self._processes: list[Process] = []
        self._left: set[str] = set()
        """Marks of commands that ended and left something in the background."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._settling: asyncio.TimerHandle | None = None
        self._files: set[str] = set()
        """Where whole outputs are kept."""
        self._closed = False
        self.state = TerminalState(spec.directory or str(Path.cwd()))

    async def open(self) -> None:
        folder = self._context.paths.cache / "snapshots"
        self._snapshots = await asyncio.to_thread(Snapshots, folder, self._spec.scope)
        init = self._context.settings.init_files
        if init:
            result = await self.run(_reading(init), timeout=30)
            self.state = TerminalState(self.state.directory, result.state.snapshot)

    async def close(self) -> None:
        """End everything that was started here and is still there."""
        self._closed = True
        if self._settling is not None:
            self._settling.cancel()
        await self._whole(self._end_all())
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._snapshots.remove)

    async def run(
        self,
        command: str,
        *,
        state: TerminalState | None = None,
        timeout: float = 180.0,  # noqa: ASYNC109
        stdin: bytes = b"",
        output: Callable[[bytes], None] | None = None,
        keep: int = 65_536,
    ) -> CommandResult:
        state = state or self.state
        settings = self._context.settings
        capture = Capture(keep, self._context.paths.outputs, settings.spool_limit)
        relay = Relay(capture, output) if output else None
        stem = await self._prepare(command)
        timed_out, after = False, state

        def last() -> None:
            nonlocal after
            after = self._snapshots.collect(stem, state)

        with _input(stdin) as source:
            child = self._spawn(stem, state, source, relay or capture, command, last, save=True)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(child.done)
        except TimeoutError:
            timed_out = True
            await self._whole(child.kill())
        except asyncio.CancelledError:
            if relay:
                relay.close()
            await self._whole(child.kill())
            raise
        finally:
            self._ended(child)
            capture.close()
            if capture.file:
                self._files.add(capture.file)
        if not timed_out:
            self._check(stem)
        return CommandResult(
            capture.output(),
            124 if timed_out else child.reap(),
            state if timed_out else after,
            capture.total,
            capture.file,
            timed_out,
        )

    async def start(
        self, command: str, *, state: TerminalState | None = None, keep: bool = False
    ) -> Process:
        process = await (self._keep if keep else self._start)(command, state or self.state)
        self._processes = [*self.processes(), process]
        return process

    def processes(self) -> tuple[Process, ...]:
        return tuple(process for process in self._processes if process.exit_code is None)

    async def status(self) -> str:
        count = len(self.processes())
        return f"{self.backend}, {self.state.directory}" + (
            f", {count} in the background" if count else ""
        )

    async def _start(self, command: str, state: TerminalState) -> Process:
        kept = Rolling()
        stem = await self._prepare(command)
        reading, writing = os.pipe()
        try:
            last = functools.partial(self._snapshots.discard, stem)
            child = self._spawn(stem, state, reading, kept, command, last, save=False)
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        child.done.add_done_callback(lambda _: self._ended(child))
        return LocalProcess(
            f"p{uuid.uuid4().hex[:8]}", command, child, kept, os.fdopen(writing, "wb", buffering=0)
        )

    async def _keep(self, command: str, state: TerminalState) -> Process:
        stem = await self._prepare(command)
        arguments, env, token = self._invocation(stem, state, command, save=False, keep=True)
        log = new_spool(self._context.paths.outputs, "terminal-kept")
        try:
            process = KeptProcess(command, arguments, env, self._place(state), log)
        except OSError as error:
            self._children.forget(token)
            raise TerminalError(
                f"{self.backend}: cannot start a command: {error.strerror}"
            ) from None
        process.bind(token, self._children, lambda _: self._task(self._over(token)))
        return process

    async def read(self, path: str, offset: int = 0, limit: int | None = None) -> bytes:
        """Read a file there; whole outputs that Hermes kept are read here."""
        if path in self._files:
            return await asyncio.to_thread(files.read, path, offset, limit)
        return await super().read(path, offset, limit)

    # -- what a sandbox does its own way ------------------------------------------------------

    async def _ready(self) -> None:
        """Make ready what commands run in; called before each."""

    def _before(self, state: TerminalState, stem: Path) -> Arguments:
        """Give the words that run bash; none here. *stem* names the files of this command."""
        return []

    def _entered(self, state: TerminalState, stem: Path) -> Arguments:
        """Give the folder that bash is to enter, the file that says that it could not, and the
        words of a `ulimit`; what is left out or empty is not done.
        """
        return []

    def _place(self, state: TerminalState) -> str:
        """Give the folder of this machine to spawn in."""
        return state.directory

    def _variables(self) -> dict[str, str]:
        """Give what the environment of a first command holds."""
        passed = self._context.config.section("hermes").terminal.env_passthrough
        return {**self._children.allowlist(*passed), **dict(self._spec.env)}

    def _check(self, stem: Path) -> None:
        """Raise `TerminalError` where the command of *stem* did not begin."""

    # -----------------------------------------------------------------------------------------

    async def _prepare(self, command: str) -> Path:
        if self._closed:
            raise TerminalError(f"{self.backend}: this terminal is closed")
        stem = self._snapshots.prepare(command)
        await self._ready()  # last: nothing is waited for from here until it is spawned
        return stem

    def _environment(self, state: TerminalState) -> dict[str, str]:
        """A snapshot holds everything that is exported, and what was unset stays unset."""
        if state.snapshot:
            return {}
        return self._variables()

    def _invocation(
        self, stem: Path, state: TerminalState, command: str, *, save: bool, keep: bool = False
    ) -> tuple[Arguments, dict[str, str], str]:
        """Give what to spawn, its environment, and the token it is marked with."""
        if state.snapshot and not Path(state.snapshot).exists():
            raise TerminalError(
                f"{self.backend}: the environment to start from is gone; start from another"
            )
        env = self._environment(state)
        before = set(env)
        token = self._children.mark(
            env, what=f"command: {command[:200]}", owner=self._spec.scope, keep=keep
        )
        marks = " ".join(set(env) - before)
        env["PWD"] = state.directory
        arguments = [self._shell, "--noprofile", "--norc", "-c", SCRIPT, "bash"]
        arguments += [state.snapshot, str(stem) if save else "", f"{stem}.sh", marks]
        arguments += self._entered(state, stem)
        return [*self._before(state, stem), *arguments], env, token

    def _spawn(
        self,
        stem: Path,
        state: TerminalState,
        stdin: int | IO[bytes],
        sink: Sink,
        command: str,
        last: Callable[[], None],
        *,
        save: bool,
    ) -> Child:
        arguments, env, token = self._invocation(stem, state, command, save=save)
        try:
            child = Child(
                arguments,
                env=env,
                directory=self._place(state),
                stdin=stdin,
                sink=sink,
                token=token,
                children=self._children,
                last=last,
            )
        except TerminalError:
            self._children.forget(token)
            last()
            raise
        self._running[token] = child
        return child

    def _ended(self, child: Child) -> None:
        """Forget a child that left nothing; remember one that did."""
        self._running.pop(child.token, None)
        self._left.add(child.token)
        self._settle_later()

    async def _end_all(self) -> None:
        """End what runs and what was left, all at once: each by itself would look for itself."""
        running = list(self._running.values())
        for child in running:
            child.signal(signal.SIGTERM)
        await self._children.kill(*self._running, *self._left)
        for child in running:
            await child.over()

    def _settle_later(self) -> None:
        """Look what commands left, soon and once for many: no command waits for that."""
        if self._settling is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._settling = loop.call_later(SETTLE, lambda: self._task(self._settle()))

    async def _over(self, token: str) -> None:
        """A kept process has ended: it stays listed while something that it started lives."""
        if not await asyncio.to_thread(self._children.alive, token):
            self._children.forget(token)

    async def _settle(self) -> None:
        self._settling = None
        ended = set(self._left)
        for token in ended - await asyncio.to_thread(self._children.living, ended):
            self._left.discard(token)
            self._children.forget(token)

    async def _whole(self, work: Coroutine[Any, Any, None]) -> None:
        await to_the_end(self._task(work))

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _reading(files: tuple[str, ...]) -> str:
    names = [shlex.quote(str(Path(name).expanduser())) for name in files]
    return "; ".join(f"source {name}" for name in names)


@contextlib.contextmanager
def _input(data: bytes) -> Iterator[int | IO[bytes]]:
    """A file with *data*: a pipe would have to be fed while the output is read."""
    if not data:
        yield subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file
