"""The terminal of one scope: one container, made at first use, stopped when idle, found again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from aiodocker.containers import DockerContainer
from aiodocker.exceptions import DockerError

from hermes import PluginContext, TerminalError, TerminalSpec
from hermes_plugin_docker.channel import ExecChannel
from hermes_plugin_docker.daemon import Daemon, said
from hermes_plugin_docker.words import (
    HOME,
    LABEL,
    MEGABYTE,
    WORKSPACE,
    configuration,
    name_of,
    volumes_of,
)
from hermes_plugin_remote.channel import Channel
from hermes_plugin_remote.terminal import RemoteTerminal

KEPT = "grep -lzs '^HERMES_REMOTE=kept-' /proc/[0-9]*/environ >/dev/null"
"""Whether something runs in the container that is to be kept."""


class DockerTerminal(RemoteTerminal):
    """Commands and files in a container of the scope's own.

    Its workspace and home are volumes, so they outlive it. The environments of commands are kept
    in the home: a container that was stopped, or made anew, goes on where it was.
    """

    backend = "docker"
    root = f"{HOME}/.hermes"
    named = False  # its name says which it is; a container made anew is told, not refused

    def __init__(self, context: PluginContext, spec: TerminalSpec, daemon: Daemon) -> None:
        self.container_name = name_of(context.paths.home, spec.scope)
        self._configuration = configuration(context.settings, spec, self.container_name)
        inside = TerminalSpec(
            spec.scope, WORKSPACE, spec.env, limits=spec.limits, persistent=spec.persistent
        )
        super().__init__(context, inside)
        self.place = f"docker container {self.container_name}"
        self._daemon = daemon
        self._container: DockerContainer | None = None
        self._since = 0.0
        self._waking = asyncio.Lock()
        self._made = False
        """It was there while this terminal was open: that it is not is a loss."""

    # -- for RemoteTerminal -------------------------------------------------------------------

    def where(self) -> str:
        return self.container_name

    async def connect(self, words: Sequence[str], feed: Callable[[bytes], None]) -> Channel:
        async with self._waking:
            for attempt in (1, 2):
                container = await self._awake()
                try:
                    return await self._exec(container, words, feed)
                except DockerError as error:
                    self._container = None  # it ended or went since it was looked at
                    if attempt == 2 or error.status not in (404, 409):
                        raise TerminalError(
                            f"{self.place}: {error.message.strip()}. Nothing was run"
                        ) from None
        raise AssertionError

    async def released(self) -> None:
        """Stop the container; remove it with its volumes where they are not to last."""
        if self._container is None:
            return
        if not self.spec.persistent:
            await self._daemon.remove(self.container_name, volumes_of(self.container_name))
        elif not await self._keeps():
            await self._stop()

    def _variables(self) -> dict[str, str]:
        settings = self.context.settings
        forwarded = self.context.children.allowlist(*settings.forward_env)
        named = {n: forwarded[n] for n in settings.forward_env if n in forwarded}
        return {**super()._variables(), **named, **settings.env}

    # -- life ---------------------------------------------------------------------------------

    async def hibernate(self) -> None:
        """Stop the container, or freeze it where stopping would lose temporary folders."""
        async with self._waking:
            if self._container is None or self._channels or self._closed:
                return
            if self.context.settings.read_only:
                with said(f"cannot pause {self.container_name}"):
                    await self._container.pause()
                self._container = None
            else:
                await self._stop()

    async def status(self) -> str:
        host = self._configuration["HostConfig"]
        bounds = f"{host['NanoCpus'] / 1e9:g} cpu, {host['Memory'] // 1_048_576} MB"
        if self._container is None:
            return f"docker {self.container_name}, asleep ({self._configuration['Image']})"
        minutes = (time.time() - self._since) / 60
        return f"docker {self.container_name}, awake for {minutes:.0f} min, at most {bounds}"

    async def _awake(self) -> DockerContainer:
        """Give the container, running: found, woken, or made."""
        if self._container is not None:
            return self._container
        found = await self._daemon.find(self.container_name)
        if found is not None and self._differs(found[1]):
            self.tell(
                "the settings of the container changed, so it was made anew: files outside"
                f" {WORKSPACE} and {HOME} are gone"
            )
            await self._daemon.remove(self.container_name)
            found = None
        elif found is None and self._made:
            self.tell(
                f"{self.place} was lost and made anew from {self._configuration['Image']}: files"
                f" outside {WORKSPACE} and {HOME} are gone, and so is all that ran in it"
            )
        container = found[0] if found is not None else await self._create()
        with said(f"cannot start {self.container_name}"):
            state = found[1]["State"] if found is not None else {}
            if state.get("Paused"):
                await container.unpause()
            elif not state.get("Running"):
                await container.start()
        self._container, self._made, self._since = container, True, time.time()
        return container

    async def _create(self) -> DockerContainer:
        disk = self.spec.limits.disk * MEGABYTE
        made, bounded = await self._daemon.create(self.container_name, self._configuration, disk)
        if not bounded:
            self.context.log.warning(
                "terminal.container_disk does not bound this container: Docker's storage driver"
                " cannot (overlay2 can on xfs mounted with pquota)",
                container=self.container_name,
            )
        return made

    async def _exec(
        self, container: DockerContainer, words: Sequence[str], feed: Callable[[bytes], None]
    ) -> ExecChannel:
        """Run *words* in the container. Raises DockerError where nothing ran."""
        try:
            execution = await container.exec(list(words), stdin=True, stdout=True, stderr=True)
            channel = ExecChannel(feed, execution, self.place)
            await channel.begin()
        except DockerError:
            raise
        except Exception as error:
            with said(f"cannot run in {self.container_name}"):
                raise error
        return channel

    async def _stop(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            with said(f"cannot stop {self.container_name}"):
                await container.stop(t=1)

    async def _keeps(self) -> bool:
        heard: list[bytes] = []
        channel = await self.connect(["bash", "-c", f"{KEPT} && echo kept"], heard.append)
        try:
            async with asyncio.timeout(5):
                await channel.finish(lambda: bool(heard))
        except TimeoutError:
            return True
        finally:
            channel.close()
        return bool(heard)

    def _differs(self, shown: dict[str, Any]) -> bool:
        labels = shown["Config"].get("Labels") or {}
        ours: str = self._configuration["Labels"][f"{LABEL}.made-from"]
        return bool(labels.get(f"{LABEL}.made-from") != ours)
