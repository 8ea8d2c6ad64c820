"""A terminal whose bash is somewhere else: everything but how words get there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from hermes import (
    CommandResult,
    PluginContext,
    Process,
    TerminalError,
    TerminalSpec,
    TerminalState,
)
from hermes_plugin_local_terminal import files
from hermes_plugin_local_terminal.capture import Capture
from hermes_plugin_local_terminal.endings import to_the_end
from hermes_plugin_remote import envelope, refusals
from hermes_plugin_remote.channel import Channel, LostError
from hermes_plugin_remote.envelope import Marks
from hermes_plugin_remote.footing import REAPING, Footing
from hermes_plugin_remote.handles import Handle
from hermes_plugin_remote.process import RemoteProcess

SPOOL = 2_000_000_000
"""Bytes of one command's output that are kept on disk; what comes after is only counted."""


class RemoteTerminal(Footing):
    """Commands and files of one scope on another machine, in a container or a sandbox.

    A command runs only where the terminal was opened: each says which machine it is for, and the
    envelope there refuses the wrong one. What is lost on the way is never run again, nor elsewhere.
    """

    def __init__(self, context: PluginContext, spec: TerminalSpec) -> None:
        super().__init__(context, spec)
        self._channels: dict[str, Channel] = {}
        self._processes: dict[str, RemoteProcess] = {}
        self._orphans: set[str] = set()
        """Jobs whose connection was lost: what is left of them ends before the next command."""
        self._files: set[str] = set()
        self._closed = False

    # -- life ---------------------------------------------------------------------------------

    def reachable(self) -> bool:
        """Whether it costs nothing to end what runs there; where not, nothing runs."""
        return True

    async def released(self) -> None:
        """Give back what the backend holds for this terminal; nothing of it runs any more."""

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

    def processes(self) -> tuple[Process, ...]:
        return tuple(each for each in self._processes.values() if each.exit_code is None)

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
            return await asyncio.to_thread(files.read, path, offset, limit)
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

    async def _whole(self, work: Coroutine[Any, Any, None]) -> None:
        await to_the_end(self._hold(asyncio.ensure_future(work)))
