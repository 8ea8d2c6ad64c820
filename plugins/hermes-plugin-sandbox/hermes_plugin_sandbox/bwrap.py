"""A terminal in namespaces of its own, made by bubblewrap."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hermes import PluginContext, TerminalSpec, TerminalState
from hermes_plugin_local_terminal.bash import Arguments
from hermes_plugin_sandbox import holder
from hermes_plugin_sandbox.holder import Holder
from hermes_plugin_sandbox.sandboxed import SandboxedTerminal


class BubblewrapTerminal(SandboxedTerminal):
    """The commands of a scope see each other, their files and their network, and nothing else."""

    def __init__(self, context: PluginContext, spec: TerminalSpec, shell: str) -> None:
        super().__init__(context, spec, shell)
        self._holder: Holder | None = None
        self._holding = asyncio.Lock()

    async def open(self) -> None:
        await super().open()
        await self._ready()  # what cannot start is said now

    async def close(self) -> None:
        await super().close()
        await self._let_go()

    async def hibernate(self) -> None:
        """End the sandbox; its folders stay."""
        async with self._holding:
            if not self._running:
                await self._let_go()

    async def status(self) -> str:
        said = await super().status()
        return said if self._holder is not None else f"{said}, asleep"

    async def _ready(self) -> None:
        async with self._holding:
            if self._holder is not None and self._holder.lives:
                return
            if self._holder is not None:
                self.tell("the sandbox ended and was started anew; what ran in it is gone")
                await self._let_go()
            words = holder.words(
                holder.found(),
                self._shell,
                self._folders,
                self._readable(),
                self._writable(),
                network=self._settings.network is True,
            )
            self._holder = await asyncio.to_thread(
                Holder.start, words, self._children, self._spec.scope
            )
            if proxy := self._new_proxy():
                await proxy.serve(await asyncio.to_thread(self._holder.listener))
                self._proxy = proxy

    def _before(self, state: TerminalState, stem: Path) -> Arguments:
        assert self._holder is not None
        return self._holder.commanded()

    def _entered(self, state: TerminalState, stem: Path) -> Arguments:
        return [state.directory, str(stem.with_suffix(".gone")), self._bounds(processes=True)]

    def _port(self) -> int:
        return holder.PORT

    async def _let_go(self) -> None:
        if self._proxy is not None:
            await self._proxy.close()
            self._proxy = None
        if self._holder is not None:
            await self._holder.close(self._children)
            self._holder = None
