"""What a terminal has at the other end: a machine that is asked who it is, a folder, snapshots."""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from hermes import PluginContext, Terminal, TerminalError, TerminalSpec, TerminalState
from hermes_plugin_remote import envelope, refusals
from hermes_plugin_remote.channel import Channel
from hermes_plugin_remote.envelope import Marks
from hermes_plugin_remote.handles import Handle

KEPT = 64
"""Snapshots of one terminal that stay: more than calls of one answer can start from."""
REAPING = 10.0
"""Seconds that ending what runs there may take: it gives processes two to end by themselves."""


class Footing(Terminal):
    """The part of a remote terminal that outlasts its commands."""

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
        self._preparing = asyncio.Lock()
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

    def where(self) -> str:
        """Give the backend's own name of the machine, for the registry (`Handle.place`)."""
        return ""

    def unreached(self) -> None:
        """No bash answered: whether the machine is there is not certain any more."""

    def renewed(self, why: str) -> None:
        """The machine is a new one, and that is known: begin anew on it, and tell *why*."""
        self._identity = self._folder = ""
        self.state = TerminalState(self.spec.directory)
        self.tell(why)

    # -- at the other end ---------------------------------------------------------------------

    async def end(self, handle: Handle) -> None:
        """End what *handle* stands for. Raise `TerminalError` (or TimeoutError) where it cannot."""
        words = envelope.end(handle.identity, handle.pattern, handle.folder, shell=self.shell)
        async with asyncio.timeout(REAPING):
            channel = await self.connect(words, lambda _: None)
            try:
                await channel.finish(lambda: True)
            finally:
                channel.close()

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

    def _hold(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def void(_: object) -> None:
    """Drop it."""
