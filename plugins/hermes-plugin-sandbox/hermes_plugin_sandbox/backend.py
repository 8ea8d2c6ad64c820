"""The `sandbox` terminal backend: this machine, with nothing in reach but a workspace."""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import Literal

from hermes import PluginContext, Terminal, TerminalBackend, TerminalError, TerminalSpec
from hermes_plugin_local_terminal.backend import remove_old
from hermes_plugin_sandbox import holder, landlock
from hermes_plugin_sandbox.bwrap import BubblewrapTerminal
from hermes_plugin_sandbox.confined import LandlockTerminal

NOTHING = (
    "sandbox: neither bubblewrap nor Landlock (Linux 6.7) works here. Nothing was run; install"
    " bubblewrap, or choose another terminal.backend"
)


class SandboxBackend(TerminalBackend):
    """Runs commands in a sandbox, or not at all."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        settings = context.settings
        self.engine: Literal["bwrap", "landlock", ""] = chosen(settings.engine)
        self.host = self.engine
        self.isolated = (
            self.engine == "bwrap" and not settings.write and settings.network is not True
        )

    async def open(self) -> None:
        days = self._context.settings.spool_days
        await asyncio.to_thread(remove_old, self._context.paths.outputs, days * 86_400)

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        shell = shutil.which(self._context.settings.shell)
        if not self.engine or shell is None:
            raise TerminalError(NOTHING if shell else "sandbox: no bash (sandbox.shell)")
        kind = BubblewrapTerminal if self.engine == "bwrap" else LandlockTerminal
        return kind(self._context, spec, shell)

    async def forget(self, scope: str) -> None:
        if re.fullmatch(r"[\w.-]+", scope) and scope not in (".", ".."):
            own = self._context.paths.data / "scopes" / scope
            await asyncio.to_thread(shutil.rmtree, own, ignore_errors=True)


def chosen(engine: str) -> Literal["bwrap", "landlock", ""]:
    """Give the engine to use; empty where the one that is wanted cannot be had."""
    if engine in ("auto", "bwrap") and holder.found():
        return "bwrap"
    if engine in ("auto", "landlock") and landlock.version() >= landlock.NEEDED:
        return "landlock"
    return ""
