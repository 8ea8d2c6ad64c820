"""The terminal of one scope in its container."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from hermes import PluginContext, TerminalError, TerminalSpec
from hermes_plugin_remote.channel import Channel, LostError
from hermes_plugin_remote.pipes import PipeChannel
from hermes_plugin_remote.sandbox import SandboxTerminal
from hermes_plugin_singularity.engine import Engine


class SingularityTerminal(SandboxTerminal):
    """Commands run by ``apptainer exec`` in an instance, which is stopped when idle.

    Home and temporary folders lie in the container's folder on this machine, what else changes in
    an overlay beside them: both outlast the instance.
    """

    backend = "singularity"

    def __init__(
        self,
        context: PluginContext,
        spec: TerminalSpec,
        engine: Engine,
        name: str,
        *,
        only: bool = False,
    ) -> None:
        """With *only* nothing is started: it reaches an instance that runs."""
        super().__init__(context, spec)
        self._engine = engine
        self._named = name
        self._only = only
        self.place = f"singularity {name}"

    def where(self) -> str:
        return self._named

    async def wake(self) -> str:
        if self._named in await self._engine.running():
            return ""  # of a Hermes that died, or another terminal of the scope
        if self._only:
            raise TerminalError(f"{self.place}: that container has ended")
        await self._engine.start(self._named, self.spec)
        return ""

    async def sleep(self) -> None:
        if self._named in await self._engine.running():
            await self._engine.stop(self._named)

    async def destroy(self) -> None:
        await self.sleep()
        folder = self._engine.folder(self._named)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def price(self, awake: bool) -> float:
        return 0.0

    async def reach(self, words: Sequence[str], feed: Callable[[bytes], None]) -> Channel:
        exec_ = [self._engine.program, "exec", "--cleanenv", "--no-privs", "--pwd", "/"]
        words = [*exec_, f"instance://{self._named}", *words]
        channel = await ExecChannel.spawn(words, self._engine.environment(), feed, self.place)
        assert isinstance(channel, ExecChannel)
        channel.judge = self._judged
        return channel

    async def _judged(self, channel: PipeChannel, code: int) -> None:
        """Tell a command that was killed from a container that ended under it."""
        try:
            there = self._named in await self._engine.running()
        except TerminalError:
            there = False
        if there:
            channel.exited(code)
        else:
            channel.lost(LostError(f"{self.place}: the container has ended"))


class ExecChannel(PipeChannel):
    """An ``apptainer exec``, which ends with its container, and as a killed command does."""

    judge: Callable[[PipeChannel, int], Coroutine[Any, Any, None]]

    def ended(self, code: int) -> None:
        if code in (137, 255):
            self._judging = asyncio.ensure_future(self.judge(self, code))
        else:
            super().ended(code)
