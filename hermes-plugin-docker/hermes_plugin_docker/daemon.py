"""The connection to the daemon, and its errors in words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import aiohttp
from aiodocker import Docker
from aiodocker.containers import DockerContainer
from aiodocker.exceptions import DockerError
from aiodocker.volumes import DockerVolume

from hermes import TerminalError

MISSING = 404
UNREACHED = 900
"""aiodocker's own status for a daemon that cannot be reached."""
FILES = "Backing Filesystem"
"""What the daemon calls the file system that its storage driver lies on."""


@contextlib.contextmanager
def said(what: str) -> Iterator[None]:
    """Turn the daemon's errors into a `TerminalError` that says *what* could not be done."""
    try:
        yield
    except DockerError as error:
        if error.status < UNREACHED:
            raise TerminalError(f"docker: {what}: {error.message.strip()}") from None
        raise TerminalError(
            f"docker: {what}: {error.message.strip()}. Nothing was run; is the daemon running, and"
            " docker.host right?"
        ) from None
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise TerminalError(
            f"docker: {what}: the daemon does not answer ({str(error) or type(error).__name__})."
            " Nothing was run"
        ) from None


class Daemon:
    """What the plugin asks of one daemon. Opened before use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._docker: Docker | None = None

    @property
    def docker(self) -> Docker:
        if self._docker is None:
            raise TerminalError("docker: this backend is not open")
        return self._docker

    async def open(self) -> None:
        """Connect. Raise `TerminalError` where there is no daemon."""
        try:
            self._docker = Docker(url=self._url or None)
        except (ValueError, AssertionError) as error:  # an assertion where it finds no socket
            why = str(error) or "there is no daemon's socket, and no DOCKER_HOST"
            raise TerminalError(
                f"docker: {why}. Nothing was run; is Docker installed and running?"
            ) from None
        with said("cannot use the daemon"):
            await self._docker.version()

    async def close(self) -> None:
        if self._docker is not None:
            await self._docker.close()

    async def find(self, name: str) -> tuple[DockerContainer, dict[str, Any]] | None:
        """Give a container and what is known of it; None where there is none."""
        with said(f"cannot look for {name}"):
            try:
                container = await self.docker.containers.get(name)
            except DockerError as error:
                if error.status == MISSING:
                    return None
                raise
            return container, await container.show()

    async def describe(self) -> str:
        """Say in a line, for a person, what daemon this is and what it cannot bound."""
        with said("cannot ask the daemon"):
            about = await self.docker.system.info()
        driver, files = about["Driver"], dict(about.get("DriverStatus") or ()).get(FILES, "")
        bounds = driver in ("btrfs", "zfs", "windowsfilter") or files == "xfs"
        disk = "" if bounds else f"; it bounds no disk ({driver}{f' on {files}' if files else ''})"
        return f"{about['ServerVersion']} answers{disk}"

    async def create(
        self, name: str, configuration: dict[str, Any], disk: int = 0
    ) -> tuple[DockerContainer, bool]:
        """Make a container, with the image pulled where it is missing.

        It may write *disk* bytes outside of volumes (0: no bound); False where the daemon's storage
        driver bounds nothing: overlay2 can on xfs with project quotas only.
        """
        if not disk:
            return await self._create(name, configuration), True
        host = {**configuration["HostConfig"], "StorageOpt": {"size": str(disk)}}
        try:
            return await self._create(name, {**configuration, "HostConfig": host}), True
        except TerminalError as error:
            if "storage-opt" not in str(error) and "StorageOpt" not in str(error):
                raise
        return await self._create(name, configuration), False

    async def _create(self, name: str, configuration: dict[str, Any]) -> DockerContainer:
        image = configuration["Image"]
        with said(f"cannot make a container from {image}"):
            try:
                return await self.docker.containers.create(configuration, name=name)
            except DockerError as error:
                if error.status != MISSING:
                    raise
            await self.docker.images.pull(image)
            return await self.docker.containers.create(configuration, name=name)

    async def remove(self, name: str, volumes: tuple[str, ...] = ()) -> None:
        """Remove a container, and volumes with it. What is not there needs no removing."""
        with said(f"cannot remove {name}"):
            if (found := await self.find(name)) is not None:
                await found[0].delete(force=True)
            for volume in volumes:
                try:
                    await DockerVolume(self.docker, volume).delete()  # type: ignore[no-untyped-call]
                except DockerError as error:
                    if error.status != MISSING:
                        raise
