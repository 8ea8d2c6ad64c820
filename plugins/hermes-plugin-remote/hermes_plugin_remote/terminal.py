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
from hermes_plugin_remote import envelope, refusals
from hermes_plugin_remote.channel import Channel, LostError
from hermes_plugin_remote.envelope import Marks
from hermes_plugin_remote.handles import Handle
from hermes_plugin_remote.process import RemoteProcess
from hermes_plugin_remote.streams import Capture

KEPT = 64
"""Snapshots of one terminal that stay: more than calls of one answer can start from."""
REAPING = 10.0
"""Seconds that ending what runs there may take: it gives processes two to end by themselves."""
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
    inline = envelope.INLINE
    """Bytes of a command that may travel among the words."""
    root = ""
    """Where the terminal's folder is made there; empty: the temporary folder."""
    named = True
    """Whether the machine has a name and an id that it keeps, to be compared."""

    def __init__(self, context: PluginContext, spec: TerminalSpec) -> None:
        self.context = context
        self.spec = spec
        self._name = f"{re.sub('[^A-Za-z0-9_-]', '_', spec.scope)[:40]}-{uuid.uuid4().hex[:12]}"
        self._identity = ""
        self._folder = ""
        self._token = ""
        self._kept: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._channels: dict[str, Channel] = {}
        self._processes: dict[str, RemoteProcess] = {}
        self._orphans: set[str] = set()
        """Jobs whose connection was lost: what is left of them ends before the next command."""
        self._preparing = asyncio.Lock()
        self._files: set[str] = set()
        self._closed = False
        self.state = TerminalState(spec.directory)

    # -- for the backend ----------------------------------------------------------------------

    @abstractmethod
    async def connect(self, words: Sequence[str], feed: Callable[[bytes], None]) -> Channel:
        """Run *words* at the other end and give the channel to them.

        Raise `TerminalError` when nothing ran. Everything that it prints goes to *feed*.
        """

    @property
    def opened(self) -> bool:
        """Whether it was prepared at some time."""
        return bool(self._token)

    def reachable(self) -> bool:
        """Whether it costs nothing to end what runs there; where not, nothing runs."""
        return True

    def where(self) -> str:
        """Give the backend's own name of the machine, for the registry (`Handle.place`)."""
        return ""

    def unreached(self) -> None:
        """No bash answered: whether the machine is there is not certain any more."""

    async def released(self) -> None:
        """Give back what the backend holds for this terminal; nothing of it runs any more."""

    def renewed(self, why: str) -> None:
        """The machine is a new one, and that is known: begin anew on it, and tell *why*."""
        self._identity = self._folder = ""
        self.state = TerminalState(self.spec.directory)
        self.tell(why)

    # -- life ---------------------------------------------------------------------------------

    async def open(self) -> None:
        await self._prepare()

    async def close(self) -> None:
        """End everything that was started here but not to be kept, and remove the folder."""
        if self._closed:
            return
        self._closed = True
        if self._folder:
            with contextlib.suppress(TerminalError, TimeoutError):
                if self.reachable():
                    await self.end(Handle(f"{self._name}:.*", self._identity, self._folder))
                self.context.children.forget(self._token)
        for channel in list(self._channels.values()):
            channel.lost(LostError(f"{self.place}: this terminal was closed"))
            channel.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self.released()
        except TerminalError as error:
            self.context.log.warning("not released", terminal=self.place, error=str(error))

    async def end(self, handle: Handle) -> None:
        """End what *handle* stands for. Raise `TerminalError` (or TimeoutError) where it cannot."""
        words = envelope.end(handle.identity, handle.pattern, handle.folder, shell=self.shell)
        async with asyncio.timeout(REAPING):
            channel = await self.connect(words, lambda _: None)
            try:
                await channel.finish(lambda: True)
            finally:
                channel.close()

    def processes(self) -> tuple[Process, ...]:
        return tuple(each for each in self._processes.values() if each.exit_code is None)

    async def _prepare(self) -> None:
        """Make the folder and the first snapshot, on the machine that this terminal is on now."""
        async with self._preparing:
            if self._folder:
                return
            marks = await self._introduced()
            here = marks.said["here"] if self.named else ""
            if self._identity not in ("", here):
                raise refusals.elsewhere(self.place, self._identity, here)
            self._identity, self._folder = here, marks.said["folder"]
            self.state = TerminalState(refusals.ending(marks)[2], marks.job)
        self._kept.clear()
        self._touch(marks.job)
        children = self.context.children
        if self._token:
            children.forget(self._token)
        handle = Handle(f"{self._name}:.*", self._identity, self._folder, self.where())
        what = f"terminal on {self.place}"
        self._token = children.remote(self.backend, handle.text(), what=what, owner=self.spec.scope)

    async def _introduced(self) -> Marks:
        marks = Marks(envelope.new_job())
        words = envelope.prepare(
            marks.job,
            self._name,
            self.spec.directory,
            self._variables(),
            root=self.root,
            shell=self.shell,
        )
        channel = await self.connect(words, lambda data: void(marks.feed(data)))
        try:
            async with asyncio.timeout(60):
                await channel.finish(lambda: "end" in marks.said)
        except TimeoutError:
            raise TerminalError(f"{self.place}: bash did not start within a minute") from None
        finally:
            channel.close()
        self._judge(marks)
        if "end" not in marks.said:
            raise self._silent(marks, channel)
        return marks

    def _variables(self) -> dict[str, str]:
        """The variables that go along: those that the person named, and those of the spec."""
        passed = self.context.config.section("hermes").terminal.env_passthrough
        allowed = self.context.children.allowlist(*passed)
        return {**{n: allowed[n] for n in passed if n in allowed}, **dict(self.spec.env)}

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
        marks = Marks(envelope.new_job())
        capture = Capture(keep, self.context.paths.outputs, SPOOL)

        def feed(data: bytes) -> None:
            if data := marks.feed(data):
                capture.feed(data)
                if output:
                    output(data)

        try:
            async with asyncio.timeout(timeout):
                words, ahead = await self._words(marks.job, command, state, stdin=bool(stdin))
                channel = await self._begin(marks.job, words, ahead, feed)
                await self._through(channel, stdin)
                code = await channel.finish(lambda: "end" in marks.said)
            capture.feed(marks.rest())
            return self._result(marks, capture, state, code, channel)
        except TimeoutError:
            if marks.job not in self._channels:
                self._orphans.add(marks.job)
                raise refusals.late(self.place, timeout) from None
            await self._whole(self._kill(marks.job))
            return CommandResult(
                capture.output(), 124, state, capture.total, capture.file, timed_out=True
            )
        except asyncio.CancelledError:
            if marks.job not in self._channels:
                self._orphans.add(marks.job)
            else:
                await self._whole(self._kill(marks.job))
            raise
        except LostError as error:
            raise refusals.unknown(marks, error) from None
        finally:
            if (over := self._channels.pop(marks.job, None)) is not None:
                over.close()
            capture.close()
            if capture.file:
                self._files.add(capture.file)

    async def start(
        self, command: str, *, state: TerminalState | None = None, keep: bool = False
    ) -> Process:
        marks = Marks(envelope.new_job())
        owner = f"kept-{self._name}" if keep else self._name
        process = RemoteProcess(
            command, marks, lambda: self._whole(self._kill(marks.job, owner)), keep=keep
        )
        words, ahead = await self._words(
            marks.job, command, state or self.state, stdin=not keep, owner=owner, lasting=False
        )
        token = ""
        if keep:
            folder = f"{self._folder.rpartition('/')[0]}/kept-{marks.job}"
            handle = Handle(f"{owner}:{marks.job}", self._identity, folder, self.where())
            words = envelope.kept(folder, words, shell=self.shell)
            token = self.context.children.remote(
                self.backend, handle.text(), what=command[:200], owner=self.spec.scope, keep=True
            )
        try:
            channel = await self._begin(marks.job, words, ahead, process.feed)
        except BaseException:
            self.context.children.forget(token)
            raise
        self._hold(process.follow(channel))
        self._processes[process.id] = process
        process.done.add_done_callback(lambda _: self._over(process, marks.job, token))
        try:
            async with asyncio.timeout(30):
                await process.began.wait()
        except TimeoutError:
            await process.kill()
            raise TerminalError(f"{self.place}: the command did not start in 30 s") from None
        if not marks.began:
            await process.wait(10)
            self._judge(marks)
            raise self._silent(marks, channel)
        return process

    async def read(self, path: str, offset: int = 0, limit: int | None = None) -> bytes:
        """Read a file there; whole outputs, which Hermes keeps itself, are read here."""
        if path in self._files:
            return await asyncio.to_thread(_read, path, offset, limit)
        return await super().read(path, offset, limit)

    async def _words(
        self,
        job: str,
        command: str,
        state: TerminalState,
        *,
        stdin: bool,
        owner: str = "",
        lasting: bool = True,
    ) -> tuple[list[str], bytes]:
        if self._closed:
            raise TerminalError(f"{self.place}: this terminal is closed")
        if "\0" in command:
            raise TerminalError("a command cannot contain a NUL byte")
        if not self._folder:
            await self._prepare()
        return envelope.run(
            job,
            terminal=owner or self._name,
            identity=self._identity,
            folder=self._folder,
            snapshot=state.snapshot or self.state.snapshot,
            directory=state.directory or self.state.directory,
            command=command,
            keep=lasting,
            stdin=stdin,
            most=self.inline,
            shell=self.shell,
        )

    async def _begin(
        self, job: str, words: Sequence[str], ahead: bytes, feed: Callable[[bytes], None]
    ) -> Channel:
        if orphans := sorted(self._orphans):
            try:
                await self.end(Handle(f"{self._name}:({'|'.join(orphans)})", self._identity))
            except TimeoutError:
                raise refusals.late(self.place, REAPING) from None
            self._orphans.difference_update(orphans)
        channel = self._channels[job] = await self.connect(words, feed)
        channel.exit.add_done_callback(lambda ended: self._ended(job, ended))
        if ahead:
            await channel.write(ahead)
        return channel

    def _ended(self, job: str, ended: asyncio.Future[int]) -> None:
        if not self._closed and isinstance(ended.exception(), LostError):
            self._orphans.add(job)

    def _over(self, process: RemoteProcess, job: str, token: str) -> None:
        """A background process has ended, or nobody follows it any more."""
        self._channels.pop(job, None)
        if process.exit_code is not None:
            self._processes.pop(process.id, None)
            self.context.children.forget(token)

    async def _through(self, channel: Channel, stdin: bytes) -> None:
        """Feed *stdin*. A command need not read it, and may end meanwhile."""
        if not stdin:
            return  # the envelope gives it none
        writing = self._hold(asyncio.ensure_future(channel.write(stdin)))
        await asyncio.wait((writing, channel.exit), return_when=asyncio.FIRST_COMPLETED)
        if not writing.done():
            writing.cancel()
        elif not writing.cancelled():
            writing.exception()
        with contextlib.suppress(TerminalError):
            await channel.end_input()

    def _result(
        self, marks: Marks, capture: Capture, state: TerminalState, code: int, channel: Channel
    ) -> CommandResult:
        self._judge(marks)
        if not marks.began:
            raise self._silent(marks, channel)
        after = state
        if "end" in marks.said:
            code, kept, directory = refusals.ending(marks)
            snapshot = marks.job if kept == 1 else state.snapshot or self.state.snapshot
            after = TerminalState(directory, snapshot)
            self._touch(snapshot)
        return CommandResult(capture.output(), code, after, capture.total, capture.file)

    def _judge(self, marks: Marks) -> None:
        """Raise what the envelope refused. Nothing ran."""
        if (refused := refusals.refusal(self.place, self._identity, marks)) is None:
            return
        if marks.said.get("gone") == "folder":
            self._folder = ""
            self.state = TerminalState(self.spec.directory)
        raise refused

    def _silent(self, marks: Marks, channel: Channel) -> TerminalError:
        self.unreached()
        return refusals.silent(self.place, marks, channel.errors)

    async def _kill(self, job: str, owner: str = "") -> None:
        """End what *job* started. Where that cannot be said, it ends before the next command."""
        channel = self._channels.get(job)
        try:
            await self.end(Handle(f"{owner or self._name}:{job}", self._identity))
        except (TerminalError, TimeoutError):
            self._orphans.add(job)
        if channel is not None:
            with contextlib.suppress(TerminalError, TimeoutError):
                async with asyncio.timeout(5):
                    await channel.finish(lambda: True)
            channel.lost(LostError(f"{self.place}: it was ended"))
            channel.close()

    # -- the rest -----------------------------------------------------------------------------

    def _touch(self, snapshot: str) -> None:
        """Count *snapshot* as used just now and drop those unused for longest, many at a time."""
        self._kept[snapshot] = None
        self._kept.move_to_end(snapshot)
        if len(self._kept) >= 2 * KEPT:
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


def _read(path: str, offset: int, limit: int | None) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(offset)
        return file.read(-1 if limit is None else limit)
