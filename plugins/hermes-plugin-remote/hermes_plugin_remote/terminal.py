"""A terminal whose bash is somewhere else: everything but how words get there."""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from hermes import (
    CommandResult,
    PluginContext,
    Process,
    Terminal,
    TerminalError,
    TerminalSpec,
    TerminalState,
)
from hermes_plugin_remote import envelope
from hermes_plugin_remote.channel import Channel, LostError
from hermes_plugin_remote.envelope import Marks
from hermes_plugin_remote.process import RemoteProcess
from hermes_plugin_remote.streams import Capture, Rolling

KEPT = 64
"""Snapshots of one terminal that stay: more than calls of one answer can start from."""
SPOOL = 2_000_000_000
"""Bytes of one command's output that are kept on disk; what comes after is only counted."""


class RemoteTerminal(Terminal):
    """Commands and files of one scope on another machine, in a container or a sandbox.

    A command runs only where the terminal was opened: each says which machine it is for, and the
    envelope there refuses the wrong one. What is lost on the way is never run again, nor elsewhere.
    """

    place = ""
    """What the other end is called in errors."""
    shell = "bash"
    spool = SPOOL

    def __init__(self, context: PluginContext, spec: TerminalSpec) -> None:
        self._context = context
        self._spec = spec
        self._name = f"{re.sub('[^A-Za-z0-9_-]', '_', spec.scope)[:40]}-{uuid.uuid4().hex[:12]}"
        self._identity = ""
        self._folder = ""
        self._kept: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._channels: dict[str, Channel] = {}
        self._files: set[str] = set()
        self._closed = False
        self.state = TerminalState(spec.directory)

    # -- for the backend ----------------------------------------------------------------------

    @abstractmethod
    async def connect(self, words: Sequence[str], feed: Callable[[bytes], None]) -> Channel:
        """Run *words* at the other end and give the channel to them.

        Raise `TerminalError` when nothing ran. Everything that it prints goes to *feed*.
        """

    async def reap(self, pattern: str) -> None:
        """End what carries a mark that matches *pattern*."""
        channel = await self.connect(envelope.reap(pattern, shell=self.shell), lambda _: None)
        try:
            async with asyncio.timeout(15):
                await channel.finish(lambda: True)
        finally:
            channel.close()

    # -- life ---------------------------------------------------------------------------------

    async def open(self) -> None:
        await self._prepare()

    async def close(self) -> None:
        """End everything that was started here, and remove the terminal's folder."""
        if self._closed:
            return
        self._closed = True
        if self._folder:
            with contextlib.suppress(TerminalError, TimeoutError):
                await self.reap(f"{self._name}:.*")
                await self._remove()
        for channel in list(self._channels.values()):
            channel.lost(LostError(f"{self.place}: this terminal was closed"))
            channel.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _prepare(self) -> None:
        """Make the folder and the first snapshot, on the machine that this terminal is on now."""
        job = envelope.new_job()
        words = envelope.prepare(
            job, self._name, self._spec.directory, self._variables(), shell=self.shell
        )
        marks = Marks(job)
        channel = await self.connect(words, lambda data: void(marks.feed(data)))
        try:
            async with asyncio.timeout(60):
                await channel.finish(lambda: "end" in marks.said)
        except TimeoutError:
            raise TerminalError(f"{self.place}: bash did not start within a minute") from None
        finally:
            channel.close()
        self._refused(marks)
        if "end" not in marks.said:
            raise TerminalError(f"{self.place}: bash did not start: {_last(marks.noise)}")
        if self._identity not in ("", marks.said["here"]):
            raise self._elsewhere(marks.said["here"])
        self._identity, self._folder = marks.said["here"], marks.said["folder"]
        self._kept.clear()
        self._touch(job)
        self.state = TerminalState(_ending(marks)[2], job)

    def _variables(self) -> dict[str, str]:
        """The variables that go along: those that the person named, and those of the spec."""
        passed = self._context.config.section("hermes").terminal.env_passthrough
        allowed = self._context.children.allowlist(*passed)
        return {**{n: allowed[n] for n in passed if n in allowed}, **dict(self._spec.env)}

    async def _remove(self) -> None:
        words = ["rm", "-rf", "--", self._folder]
        channel = await self.connect(words, lambda _: None)
        try:
            async with asyncio.timeout(5):
                await channel.finish(lambda: True)
        finally:
            channel.close()

    # -- commands -----------------------------------------------------------------------------

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
        job = envelope.new_job()
        marks, capture = Marks(job), Capture(keep, self._context.paths.outputs, self.spool)

        def feed(data: bytes) -> None:
            if data := marks.feed(data):
                capture.feed(data)
                if output:
                    output(data)

        begun: list[Channel] = []
        try:
            async with asyncio.timeout(timeout):
                channel = await self._begin(
                    job, command, state, stdin=bool(stdin), keep=True, feed=feed
                )
                begun.append(channel)
                await self._through(channel, marks, stdin)
                code = await channel.finish(lambda: "end" in marks.said)
            capture.feed(marks.rest())
            return self._result(marks, capture, state, code)
        except TimeoutError:
            await self._whole(self._kill(job, begun))
            return CommandResult(
                capture.output(), 124, state, capture.total, capture.file, timed_out=True
            )
        except asyncio.CancelledError:
            await self._whole(self._kill(job, begun))
            raise
        except LostError as error:
            raise self._unknown(marks, error) from None
        finally:
            for channel in begun:
                channel.close()
            self._channels.pop(job, None)
            capture.close()
            if capture.file:
                self._files.add(capture.file)

    async def start(self, command: str, *, state: TerminalState | None = None) -> Process:
        job = envelope.new_job()
        marks, kept, begun = Marks(job), Rolling(), asyncio.Event()

        def feed(data: bytes) -> None:
            kept.feed(marks.feed(data))
            if marks.said:
                begun.set()

        channel = await self._begin(
            job, command, state or self.state, stdin=True, keep=False, feed=feed
        )
        channel.exit.add_done_callback(lambda _: begun.set())
        process = RemoteProcess(
            f"p{uuid.uuid4().hex[:8]}",
            command,
            channel,
            kept,
            lambda: self._whole(self._kill(job, [channel])),
        )
        process.done.add_done_callback(lambda _: self._channels.pop(job, None))
        self._hold(process.done)
        try:
            async with asyncio.timeout(30):
                await begun.wait()
        except TimeoutError:
            await process.kill()
            raise TerminalError(f"{self.place}: the command did not start in 30 s") from None
        if not marks.began:
            await process.wait(10)
            self._refused(marks)
            raise TerminalError(f"{self.place}: bash did not start: {_last(marks.noise)}")
        return process

    async def read(self, path: str, offset: int = 0, limit: int | None = None) -> bytes:
        """Read a file there; whole outputs that Hermes kept are read here."""
        if path in self._files:
            return await asyncio.to_thread(_read, path, offset, limit)
        return await super().read(path, offset, limit)

    async def _begin(
        self,
        job: str,
        command: str,
        state: TerminalState,
        *,
        stdin: bool,
        keep: bool,
        feed: Callable[[bytes], None],
    ) -> Channel:
        if self._closed:
            raise TerminalError(f"{self.place}: this terminal is closed")
        if "\0" in command:
            raise TerminalError("a command cannot contain a NUL byte")
        if not self._folder:
            await self._prepare()
        words, ahead = envelope.run(
            job,
            terminal=self._name,
            identity=self._identity,
            folder=self._folder,
            snapshot=state.snapshot or self.state.snapshot,
            directory=state.directory or self.state.directory,
            command=command,
            keep=keep,
            stdin=stdin,
            shell=self.shell,
        )
        channel = await self.connect(words, feed)
        self._channels[job] = channel
        if ahead:
            await channel.write(ahead)
        return channel

    async def _through(self, channel: Channel, marks: Marks, stdin: bytes) -> None:
        """Feed *stdin*. A command need not read it, and may end meanwhile."""
        if stdin:
            writing = self._hold(asyncio.ensure_future(channel.write(stdin)))
            await asyncio.wait((writing, channel.exit), return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                writing.cancel()
            elif not writing.cancelled():
                writing.exception()
        with contextlib.suppress(TerminalError):
            await channel.end_input()

    def _result(
        self, marks: Marks, capture: Capture, state: TerminalState, code: int
    ) -> CommandResult:
        self._refused(marks)
        if not marks.began:
            raise TerminalError(f"{self.place}: bash did not start: {_last(marks.noise)}")
        after = state
        if "end" in marks.said:
            code, kept, directory = _ending(marks)
            snapshot = marks.job if kept == 1 else state.snapshot or self.state.snapshot
            after = TerminalState(directory, snapshot)
            self._touch(snapshot)
        return CommandResult(capture.output(), code, after, capture.total, capture.file)

    async def _kill(self, job: str, channels: list[Channel]) -> None:
        """End what *job* started. Where that cannot be said, its end is not known."""
        with contextlib.suppress(TerminalError, TimeoutError):
            await self.reap(f"{self._name}:{job}")
        for channel in channels:
            with contextlib.suppress(TerminalError, TimeoutError):
                async with asyncio.timeout(5):
                    await channel.finish(lambda: True)
            channel.lost(LostError(f"{self.place}: it was ended"))
            channel.close()

    # -- what went wrong ----------------------------------------------------------------------

    def _refused(self, marks: Marks) -> None:
        """Raise what the envelope refused. Nothing ran."""
        if "elsewhere" in marks.said:
            raise self._elsewhere(marks.said["elsewhere"])
        gone = marks.said.get("gone")
        if gone is None:
            return
        if gone == "folder":
            self._folder = ""
            self.state = TerminalState(self._spec.directory)
            raise TerminalError(
                f"{self.place} was restarted or replaced: the environment and directory of earlier"
                " commands are gone, and maybe files. Nothing was run; the next command starts anew"
            )
        if gone == "environment":
            raise TerminalError(f"{self.place}: the environment to start from is gone")
        if gone == "directory":
            raise TerminalError(f"{self.place}: no such directory to start in. Nothing was run")
        raise TerminalError(f"{self.place}: {gone}")

    def _elsewhere(self, found: str) -> TerminalError:
        before, now = self._identity.partition("/")[0], found.partition("/")[0]
        said = f"was {before}, answers as {now}" if before != now else f"{now} is another machine"
        return TerminalError(
            f"{self.place} is not the machine that this terminal was opened on ({said})."
            " Nothing was run. If that is meant, begin a new conversation"
        )

    def _unknown(self, marks: Marks, error: LostError) -> TerminalError:
        if not marks.began:
            said = "it may or may not have started"
        else:
            said = "the command had started; how it ended is not known"
        return TerminalError(
            f"{error}: {said}. It was not run again, and nowhere else; look before you repeat it"
        )

    # -- the rest -----------------------------------------------------------------------------

    def _touch(self, snapshot: str) -> None:
        """Count *snapshot* as used just now and drop those unused for longest, many at a time."""
        self._kept[snapshot] = None
        self._kept.move_to_end(snapshot)
        if len(self._kept) < 2 * KEPT:
            return
        old = [self._kept.popitem(last=False)[0] for _ in range(KEPT)]
        self._hold(asyncio.ensure_future(self._drop(old)))

    async def _drop(self, old: list[str]) -> None:
        words = ["rm", "-f", "--", *(f"{self._folder}/{name}" for name in old)]
        with contextlib.suppress(TerminalError):
            channel = await self.connect(words, lambda _: None)
            try:
                await channel.finish(lambda: True)
            finally:
                channel.close()

    async def _whole(self, work: Coroutine[Any, Any, None]) -> None:
        """Await *work* to its end even when this task is cancelled again meanwhile."""
        task = self._hold(asyncio.ensure_future(work))
        cancelled = False
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                cancelled = True
        task.result()
        if cancelled:
            raise asyncio.CancelledError

    def _hold(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def void(_: object) -> None:
    """Drop it."""


def _ending(marks: Marks) -> tuple[int, int, str]:
    code, kept, directory = marks.said["end"].split(" ", 2)
    return int(code), int(kept), directory


def _last(noise: bytes) -> str:
    lines = noise.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


def _read(path: str, offset: int, limit: int | None) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(offset)
        return file.read(-1 if limit is None else limit)
