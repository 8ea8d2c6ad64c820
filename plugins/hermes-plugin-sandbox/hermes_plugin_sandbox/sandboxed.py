"""What the terminals of both engines share."""

from __future__ import annotations

import asyncio
import platform
import re
import resource
from pathlib import Path

from hermes import PluginContext, Process, TerminalError, TerminalSpec, TerminalState
from hermes_plugin_local_terminal.bash import BashTerminal
from hermes_plugin_sandbox.folders import Folders, folders, readable
from hermes_plugin_sandbox.proxy import Allowlist, Proxy


class SandboxedTerminal(BashTerminal):
    """Commands of one scope with their own home and temporary folder.

    Files are read and written by commands too, inside: Hermes itself follows no path and no link
    that a command made.
    """

    backend = "sandbox"

    def __init__(self, context: PluginContext, spec: TerminalSpec, shell: str) -> None:
        super().__init__(context, spec, shell)
        self._settings = context.settings
        self._proxy: Proxy | None = None
        self._folders: Folders

    async def open(self) -> None:
        self._folders = await asyncio.to_thread(folders, self._context.paths, self._spec)
        self.state = TerminalState(str(self._folders.workspace))
        await super().open()

    async def close(self) -> None:
        await super().close()
        if self._proxy is not None:
            await self._proxy.close()
        await asyncio.to_thread(self._folders.remove, files=not self._spec.persistent)

    async def start(
        self, command: str, *, state: TerminalState | None = None, keep: bool = False
    ) -> Process:
        if keep:
            raise TerminalError(
                "sandbox: keep cannot be had: the sandbox ends with Hermes, whatever runs in it;"
                " start it without keep, or choose the docker terminal for what is to go on"
            )
        return await super().start(command, state=state)

    def _variables(self) -> dict[str, str]:
        made = super()._variables()
        for name in ("TMPDIR", "TEMP", "TMP"):
            made.pop(name, None)
        made["HOME"] = str(self._folders.home)
        if self._proxy is not None:
            address = f"http://127.0.0.1:{self._port()}"
            for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
                made[name] = address
        return made

    def _bounds(self, *, processes: bool) -> str:
        """Give the words of `ulimit`: what one process may take of memory, and how many there may
        be in all, which a system counts for each sandbox since Linux 5.14 (and never for root).

        Memory is what a process can write to and nobody shares (RLIMIT_DATA), not its addresses:
        V8 and the JVM set aside far more of those than they use.
        """
        limits = self._spec.limits
        wanted = {"-d": (resource.RLIMIT_DATA, limits.memory * 1024, 1024)}
        if processes and kernel() >= (5, 14):
            wanted["-u"] = (resource.RLIMIT_NPROC, limits.processes, 1)
        words = []
        for flag, (kind, most, unit) in wanted.items():
            there = resource.getrlimit(kind)[1]  # nobody may raise what is lower already
            if most and (there == resource.RLIM_INFINITY or there > most * unit):
                words += [flag, str(most)]
        return " ".join(words)

    def _port(self) -> int:
        raise NotImplementedError

    def _place(self, state: TerminalState) -> str:
        return "/"  # the folder itself is entered inside

    def _check(self, stem: Path) -> None:
        gone = stem.with_suffix(".gone")
        if gone.is_symlink() or gone.exists():
            gone.unlink()
            raise TerminalError(
                "sandbox: no such folder to start in, or it cannot be entered. Nothing was run"
            )

    def _readable(self) -> list[str]:
        return readable(self._settings.read)

    def _writable(self) -> list[str]:
        named = [str(Path(path).expanduser().resolve()) for path in self._settings.write]
        return [str(self._snapshots.folder), *named]

    def _new_proxy(self) -> Proxy | None:
        hosts = self._settings.network
        return (
            None
            if isinstance(hosts, bool) or not hosts
            else Proxy(Allowlist(hosts), self._context.log)
        )


def kernel() -> tuple[int, ...]:
    """Give the version of Linux: (6, 1)."""
    return tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
