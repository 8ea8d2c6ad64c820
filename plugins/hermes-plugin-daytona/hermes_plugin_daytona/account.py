"""The client, and its errors in our words."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

from daytona import (
    AsyncDaytona,
    AsyncSandbox,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    DaytonaConfig,
    DaytonaError,
    DaytonaNotFoundError,
    Resources,
)
from daytona.common.errors import DaytonaAuthenticationError
from daytona_api_client_async import SandboxState

from hermes import PluginContext, TerminalError, TerminalSpec

SLEEPING = (SandboxState.STOPPED, SandboxState.ARCHIVED, SandboxState.PAUSED)
GONE = (SandboxState.DESTROYED, SandboxState.DESTROYING)


class Account:
    """What the backend asks of Daytona. Everything here raises `TerminalError`."""

    def __init__(self, context: PluginContext, key: str) -> None:
        self._settings = settings = context.settings
        url = settings.api_url or context.config.variable("DAYTONA_API_URL") or None
        target = settings.target or context.config.variable("DAYTONA_TARGET") or None
        with said("the client"):
            self._client = AsyncDaytona(DaytonaConfig(api_key=key, api_url=url, target=target))

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def find(self, name: str) -> AsyncSandbox | None:
        """Give the sandbox of that name or id, whatever its state; None where there is none."""
        with said(name):
            try:
                sandbox = await self._client.get(name)
            except DaytonaNotFoundError:
                return None
        return None if sandbox.state in GONE else sandbox

    async def make(self, name: str, spec: TerminalSpec) -> AsyncSandbox:
        """Make a sandbox."""
        settings = self._settings
        common = {
            "name": name,
            "labels": {"hermes-scope": spec.scope},
            "auto_stop_interval": settings.auto_stop,
            "network_block_all": not settings.network,
        }
        with said(name):
            if settings.snapshot:
                return await self._client.create(
                    CreateSandboxFromSnapshotParams(snapshot=settings.snapshot, **common),
                    timeout=300,
                )
            limits = spec.limits
            disk = min(math.ceil(limits.disk / 1024), settings.most_disk)
            resources = Resources(
                cpu=math.ceil(limits.cpu) or None,
                memory=math.ceil(limits.memory / 1024) or None,
                disk=disk or None,
            )
            return await self._client.create(
                CreateSandboxFromImageParams(image=settings.image, resources=resources, **common),
                timeout=600,
            )

    async def start(self, sandbox: AsyncSandbox) -> None:
        """Start it unless it runs."""
        with said(sandbox.name):
            if sandbox.state != SandboxState.STARTED:
                if sandbox.state in SLEEPING:
                    await sandbox.start(timeout=300)
                else:
                    await sandbox.wait_for_sandbox_start(timeout=300)

    async def stop(self, sandbox: AsyncSandbox) -> None:
        """Stop it; its files stay."""
        with said(sandbox.name):
            await sandbox.refresh_data()
            if sandbox.state == SandboxState.STARTED:
                await sandbox.stop(timeout=60)

    async def delete(self, sandbox: AsyncSandbox) -> None:
        """Delete it with its files."""
        with said(sandbox.name):
            await sandbox.delete(timeout=60)

    def runs(self, sandbox: AsyncSandbox) -> bool:
        """Whether it runs, as far as is known."""
        return sandbox.state == SandboxState.STARTED

    def price(self, sandbox: AsyncSandbox, awake: bool) -> float:
        """Give dollars an hour."""
        settings = self._settings
        disk = float(sandbox.disk * settings.price_disk)
        running = sandbox.cpu * settings.price_cpu + sandbox.memory * settings.price_memory
        return disk + running if awake else disk


@contextlib.contextmanager
def said(what: str) -> Iterator[None]:
    """Turn the SDK's errors into one line that names the sandbox."""
    try:
        yield
    except DaytonaAuthenticationError:
        raise TerminalError("daytona: the key is refused; check DAYTONA_API_KEY") from None
    except (DaytonaError, OSError, TimeoutError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise TerminalError(f"daytona {what}: {lines[0][:300]}") from None
