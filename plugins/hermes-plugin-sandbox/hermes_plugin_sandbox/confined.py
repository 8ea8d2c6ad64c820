"""A terminal whose commands are restricted by Landlock, where there is no bubblewrap."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import msgspec

from hermes import TerminalState
from hermes_plugin_local_terminal.bash import Arguments
from hermes_plugin_sandbox import landlock
from hermes_plugin_sandbox.sandboxed import SandboxedTerminal

DEVICES = tuple(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty"))


class LandlockTerminal(SandboxedTerminal):
    """Commands that can open only what they may, among this machine's processes."""

    _listening = 0

    async def _ready(self) -> None:
        if self._proxy is None and (proxy := self._new_proxy()):
            listener = await asyncio.to_thread(socket.create_server, ("127.0.0.1", 0))
            self._listening = listener.getsockname()[1]
            await proxy.serve(listener)
            self._proxy = proxy

    def _variables(self) -> dict[str, str]:
        return {**super()._variables(), "TMPDIR": str(self._folders.temporary)}

    def _before(self, state: TerminalState, stem: Path) -> Arguments:
        folders = self._folders
        own = (folders.workspace, folders.home, folders.temporary)
        asked = {
            "read": [*self._readable(), "/proc"],
            "write": [*map(str, own), *DEVICES, *self._writable()],
            "ports": None
            if self._settings.network is True
            else [self._listening] * (self._listening > 0),
            "directory": state.directory,
            "gone": str(stem.with_suffix(".gone")),
        }
        program = str(Path(landlock.__file__))
        python = [sys.executable, "-I", "-S", program]
        return [*python, msgspec.json.encode(asked).decode()]

    def _entered(self, state: TerminalState, stem: Path) -> Arguments:
        return ["", str(stem.with_suffix(".gone")), self._bounds(processes=False)]

    def _port(self) -> int:
        return self._listening
