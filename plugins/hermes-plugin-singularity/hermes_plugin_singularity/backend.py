"""The `singularity` terminal backend: a container of this machine for each scope."""

from __future__ import annotations

import asyncio
import re
import shutil

import msgspec

from hermes import PluginContext, Terminal, TerminalSpec
from hermes_plugin_remote.backend import RemoteBackend
from hermes_plugin_remote.handles import Handle
from hermes_plugin_remote.terminal import RemoteTerminal
from hermes_plugin_singularity.engine import Engine
from hermes_plugin_singularity.terminal import SingularityTerminal


class SingularityBackend(RemoteBackend):
    """Runs commands in Apptainer containers."""

    def __init__(self, context: PluginContext) -> None:
        super().__init__(context)
        self.host = f"image {context.settings.image}"
        # With a network it has this machine's own, and so every service on its loopback.
        self.isolated = not (context.settings.binds or context.settings.network)
        self._engine = Engine(context)

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        directory = self.context.settings.directory
        spec = msgspec.structs.replace(spec, directory=directory)
        return SingularityTerminal(self.context, spec, self._engine, name_of(spec.scope))

    async def reach(self, handle: Handle) -> RemoteTerminal | None:
        if handle.place not in await self._engine.running():
            return None
        return SingularityTerminal(
            self.context, TerminalSpec("reaper"), self._engine, handle.place, only=True
        )

    async def forget(self, scope: str) -> None:
        """End the container of a scope and remove its files."""
        name = name_of(scope)
        if name in await self._engine.running():
            await self._engine.stop(name)
        await asyncio.to_thread(shutil.rmtree, self._engine.folder(name), ignore_errors=True)


def name_of(scope: str) -> str:
    """Name the container of a scope, as Hermes Agent does."""
    return f"hermes-{re.sub('[^A-Za-z0-9_.-]', '-', scope)}"
