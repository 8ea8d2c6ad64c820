"""The backend: one object per process, which gives each scope its terminal."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from hermes import PluginContext, Terminal, TerminalBackend, TerminalError, TerminalSpec

from hermes_plugin_acorn.room import Room


class Rooms(TerminalBackend):
    """Gives each conversation's commands a home of their own on this machine."""

    host = ""  # this machine
    isolated = False  # a command can leave its room: policy must know

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        shell = shutil.which(self._context.settings.shell)
        if shell is None:
            name = self._context.settings.shell
            mend = "install it, or name another as shell in its settings"
            raise TerminalError(f"acorn: no {name} on the PATH ({mend})")
        return Room(self._context, shell, self._folder(spec.scope), spec)

    async def forget(self, scope: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder(scope), ignore_errors=True)

    def _folder(self, scope: str) -> Path:
        return self._context.paths.data / "rooms" / scope
