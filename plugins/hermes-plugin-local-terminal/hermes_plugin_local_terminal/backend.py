"""The `local` terminal backend: this machine, as the person who started Hermes."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

from hermes import PluginContext, Terminal, TerminalBackend, TerminalError, TerminalSpec
from hermes_plugin_local_terminal.terminal import LocalTerminal


class LocalBackend(TerminalBackend):
    """Runs commands on this machine. Nothing but its grant bounds a command here."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def open(self) -> None:
        days = self._context.settings.spool_days
        await asyncio.to_thread(remove_old, self._context.paths.outputs, days * 86_400)

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        name = self._context.settings.shell
        shell = shutil.which(name)
        if shell is None:
            raise TerminalError(
                f"local: no {name} on the PATH (install it, or set local-terminal.shell)"
            )
        return LocalTerminal(self._context, spec, shell)


def remove_old(folder: Path, seconds: float) -> None:
    """Remove whole outputs of commands that are older than *seconds*."""
    if not folder.is_dir():
        return
    oldest = time.time() - seconds
    for file in (*folder.glob("terminal-*"), *folder.glob("*.terminal-*")):  # the shell's names
        try:
            if file.stat().st_mtime < oldest:
                file.unlink()
        except OSError:
            continue
