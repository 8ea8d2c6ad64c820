"""The `docker` terminal backend: one container for each scope."""

from __future__ import annotations

import os
from typing import Any

from aiodocker.containers import DockerContainer

from hermes import PluginContext, Terminal, TerminalError, TerminalSpec
from hermes_plugin_docker.daemon import Daemon
from hermes_plugin_docker.terminal import DockerTerminal
from hermes_plugin_docker.words import is_isolated, name_of, volumes_of
from hermes_plugin_remote.backend import RemoteBackend
from hermes_plugin_remote.handles import Handle


class DockerBackend(RemoteBackend):
    """Runs commands in containers of one daemon."""

    def __init__(self, context: PluginContext) -> None:
        super().__init__(context)
        settings = context.settings
        self._daemon = Daemon(settings.host)
        address = settings.host or os.environ.get("DOCKER_HOST", "")
        self.host = settings.image + (f" at {address}" if address else "")
        self.isolated = is_isolated(settings)

    async def open(self) -> None:
        await self._daemon.open()

    async def close(self) -> None:
        await self._daemon.close()

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        return DockerTerminal(self.context, spec, self._daemon)

    async def reach(self, handle: Handle) -> DockerTerminal | None:
        """In a container that is not running nothing of ours runs."""
        found = await self._daemon.find(handle.place)
        if found is None or not found[1]["State"]["Running"]:
            return None
        return Found(self.context, *found, self._daemon)

    async def reap(self, handles: tuple[str, ...]) -> None:
        """End what a dead Hermes left, and stop the containers where nothing is to be kept."""
        await super().reap(handles)
        for text in handles:
            terminal = await self.reach(Handle.of(text))
            if terminal is not None:
                try:
                    await terminal.released()
                except TerminalError as error:
                    self.context.log.warning("a container goes on", error=str(error))

    async def forget(self, scope: str) -> None:
        name = name_of(self.context.paths.home, scope)
        await self._daemon.remove(name, volumes_of(name))


class Found(DockerTerminal):
    """A container that another Hermes left, as it is: whatever the settings say now."""

    def __init__(
        self,
        context: PluginContext,
        container: DockerContainer,
        shown: dict[str, Any],
        daemon: Daemon,
    ) -> None:
        super().__init__(context, TerminalSpec(shown["Name"].lstrip("/"), "/"), daemon)
        self.container_name = shown["Name"].lstrip("/")
        self._container = container
