"""The client, and its errors in our words."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from typing import Any

import modal
from modal.exception import AuthError, Error, NotFoundError

from hermes import PluginContext, TerminalError, TerminalSpec


class Account:
    """What the backend asks of Modal. Everything here raises `TerminalError`.

    The id of a scope's last snapshot is kept in the plugin's state.
    """

    def __init__(self, context: PluginContext, id: str, secret: str) -> None:
        self._context = context
        self._settings = context.settings
        self._token = (id, secret)
        self._opening = asyncio.Lock()
        self._client: modal.Client | None = None
        self._app: modal.App | None = None

    async def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            with contextlib.suppress(Error, OSError):
                await self._client.close.aio()

    async def app(self) -> modal.App:
        """Give the app that sandboxes belong to."""
        async with self._opening:
            if self._app is None:
                address = self._context.config.variable("MODAL_SERVER_URL")
                if address:  # the SDK reads it from nowhere else
                    os.environ["MODAL_SERVER_URL"] = address
                with said("modal"):
                    self._client = await modal.Client.from_credentials.aio(*self._token)
                    self._app = await modal.App.lookup.aio(
                        self._settings.app,
                        client=self._client,
                        environment_name=self._settings.environment or None,
                        create_if_missing=True,
                    )
            return self._app

    async def named(self, name: str) -> modal.Sandbox | None:
        """Give the sandbox of that name that runs; None where there is none."""
        await self.app()
        with said(f"modal {name}"):
            try:
                return await modal.Sandbox.from_name.aio(
                    self._settings.app,
                    name,
                    environment_name=self._settings.environment or None,
                    client=self._client,
                )
            except NotFoundError:
                return None

    async def running(self, id: str) -> modal.Sandbox | None:
        """Give the sandbox of that id if it runs."""
        await self.app()
        with said(f"modal {id}"):
            try:
                found = await modal.Sandbox.from_id.aio(id, client=self._client)
                return found if await found.poll.aio() is None else None
            except NotFoundError:
                return None

    async def make(self, name: str, spec: TerminalSpec, snapshot: str) -> modal.Sandbox:
        """Make a sandbox from *snapshot*, or from the image where that is empty.

        Raise NotFoundError where the snapshot is no more.
        """
        app, settings, limits = await self.app(), self._settings, spec.limits
        options: dict[str, Any] = {"cpu": limits.cpu} if limits.cpu else {}
        if limits.memory:
            options["memory"] = limits.memory
        with said(f"modal {name}"):
            if snapshot:
                image = modal.Image.from_id(snapshot, client=self._client)
            else:
                image = modal.Image.from_registry(settings.image)
            return await modal.Sandbox.create.aio(
                "sleep",
                "infinity",
                app=app,
                name=name,
                image=image,
                timeout=settings.timeout,
                idle_timeout=settings.idle_timeout,
                block_network=not settings.network,
                client=self._client,
                **options,
            )

    async def snapshot(self, name: str, sandbox: modal.Sandbox) -> None:
        """Keep its files for the next one of that name, for good."""
        with said(f"modal {name}"):
            image = await sandbox.snapshot_filesystem.aio(timeout=300, ttl=None)
            await self.keep(name, image.object_id)

    async def terminate(self, sandbox: modal.Sandbox) -> None:
        """End it."""
        with said("modal"):
            await sandbox.terminate.aio()

    async def kept(self, name: str) -> str:
        """Give the id of the last snapshot, or nothing."""
        return str(await self._context.state.get(f"snapshot {name}") or "")

    async def keep(self, name: str, snapshot: str) -> None:
        """Remember the last snapshot; nothing forgets it."""
        await self._context.state.set(f"snapshot {name}", snapshot or None)

    def price(self, spec: TerminalSpec) -> float:
        """Give dollars an hour of a sandbox that runs, by what it asked for."""
        settings = self._settings
        cpu, memory = spec.limits.cpu or 0.125, (spec.limits.memory or 128) / 1024
        return float(cpu * settings.price_cpu + memory * settings.price_memory)


@contextlib.contextmanager
def said(what: str) -> Iterator[None]:
    """Turn the SDK's errors, but for NotFoundError, into one line that names the sandbox."""
    try:
        yield
    except NotFoundError:
        raise
    except AuthError:
        raise TerminalError(
            "modal: the token is refused; check MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"
        ) from None
    except (Error, OSError, TimeoutError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise TerminalError(f"{what}: {lines[0][:300]}") from None
