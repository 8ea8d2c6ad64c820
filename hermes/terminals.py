"""Terminals by scope: opened at first use, hibernated when idle, closed with what they are for."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

from hermes.children import ProcessChildren
from hermes.errors import HermesError, one_line
from hermes.plugins import Host
from hermes.resources import Resources
from hermes.session import SessionId, SessionInfo, SessionKey
from hermes.store import Store
from hermes.terminal import (
    Terminal,
    TerminalBackend,
    TerminalError,
    TerminalLimits,
    TerminalSpec,
)

ANCESTORS = 16
"""How far up a sub-agent looks for the chat it works for."""


class Lent:
    """An open terminal and who uses it."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.used = time.monotonic()
        self.heard: dict[SessionId, int] = {}
        """How much of `Terminal.told` each conversation has heard."""
        self.asleep = False


class Terminals:
    """The terminals of a runtime. *works* says whether a turn of a conversation runs."""

    def __init__(
        self,
        host: Host,
        resources: Resources,
        children: ProcessChildren,
        store: Callable[[], Store],
        works: Callable[[SessionId], bool],
    ) -> None:
        self._host, self._resources, self._children = host, resources, children
        self._store, self._works = store, works
        self._log = host.logs.bind(plugin="hermes")
        self._made: dict[str, TerminalBackend] = {}
        self._scopes: dict[SessionId, str] = {}
        self._lent: dict[str, Lent] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def _settings(self) -> Any:
        return self._host.config.section("hermes").terminal

    def place(self) -> tuple[str, bool]:
        """Name the backend with its host, and say whether it is isolated. Opens nothing."""
        name = self._settings.backend
        try:
            backend = self.backend(name)
        except HermesError:  # said when the terminal is wanted
            return name, False
        return f"{name} {backend.host}".rstrip(), backend.isolated

    def backend(self, name: str) -> TerminalBackend:
        """Give the backend of that name, made but not opened."""
        if name not in self._made:
            self._made[name] = self._host.create("terminals", name)
        return self._made[name]

    async def opened(self, name: str) -> TerminalBackend:
        """Give it opened."""
        backend: TerminalBackend = await self._resources.get(
            ("terminals", name), lambda: self.backend(name)
        )
        return backend

    async def scope(self, info: SessionInfo) -> str:
        """Name who shares a terminal with this conversation."""
        if known := self._scopes.get(info.id):
            return known
        kind = self._settings.scope
        if kind in ("person", "user"):
            return f"person-{_safe(info.person)}"
        if kind == "global":
            return "global"
        return await self._chat(info) if kind == "chat" else info.id

    async def settle(self, info: SessionInfo) -> str:
        """Name the scope from now on. A conversation belongs to a chat once it has begun."""
        scope = self._scopes[info.id] = await self.scope(info)
        return scope

    async def get(self, info: SessionInfo) -> Terminal:
        """Give the terminal of a conversation's scope, opened at first use.

        Raises TerminalError where the configuration does not say for certain which: a command that
        was meant for elsewhere must not run here.
        """
        if why := self._host.config.spoilt("terminal"):
            raise TerminalError(f"{why}. Nothing was run")
        name, scope = self._settings.backend, await self.settle(info)
        try:
            backend = await self.opened(name)
        except TerminalError:
            raise
        except HermesError as error:
            raise TerminalError(f"{one_line(error)}. Nothing was run") from None

        async def make() -> Terminal:
            terminal = await backend.terminal(self._spec(scope, info))
            terminal.host, terminal.isolated = backend.host, backend.isolated
            return terminal

        before = self._lent.get(scope)
        terminal: Terminal = await self._resources.get(("terminal", scope), make)
        lent = self._lent.get(scope)
        if lent is None or lent.terminal is not terminal:
            lent = self._lent[scope] = Lent(terminal)
        lent.used, lent.asleep = time.monotonic(), False
        lent.heard.setdefault(info.id, len(before.terminal.told) if before else 0)
        self._sweep_later()
        return terminal

    def peek(self, info: SessionInfo) -> Terminal | None:
        """Give the terminal of a conversation if it is open."""
        lent = self._lent.get(self._scopes.get(info.id, ""))
        return lent.terminal if lent else None

    def directory(self, info: SessionInfo) -> str:
        """Where a command of this conversation would start now."""
        terminal = self.peek(info)
        return terminal.state.directory if terminal is not None else info.directory

    def news(self, info: SessionInfo) -> tuple[str, ...]:
        """Give what the conversation's terminal had to tell since the last call."""
        lent = self._lent.get(self._scopes.get(info.id, ""))
        if lent is None or info.id not in lent.heard:
            return ()
        lent.used = time.monotonic()
        new = lent.terminal.told[lent.heard[info.id] :]
        lent.heard[info.id] = len(lent.terminal.told)
        return new

    async def status(self, info: SessionInfo) -> str:
        """Say in one line where a conversation's commands run and what that costs now."""
        place, isolated = self.place()
        lent = self._lent.get(await self.scope(info))
        line = f"{place}, not open" if lent is None else await lent.terminal.status()
        return f"{line} (isolated)" if isolated else line

    def end(self, session: SessionId) -> None:
        """A conversation is over (``/new``, ``/reset``): so is what only it used."""
        if self._scopes.pop(session, "") == session and session in self._lent:
            self._task(self._close(session))
        for lent in self._lent.values():
            lent.heard.pop(session, None)

    async def forget(self, session: SessionId) -> None:
        """A conversation was forgotten: remove what the terminal that only it used has kept.

        Raises TerminalError (or PluginError) where that cannot be done now.
        """
        name = self._settings.backend
        if self._settings.scope in ("conversation", "session"):
            await self._close(session)
            if type(self.backend(name)).forget is not TerminalBackend.forget:
                await (await self.opened(name)).forget(session)

    def reap_later(self) -> None:
        """End what a Hermes that died left running in containers and on other hosts."""
        if self._children.left():
            self._task(self._reap())

    async def _reap(self) -> None:
        for name, left in self._children.left().items():
            try:
                backend = await self.opened(name)
                await backend.reap(tuple(one.handle for one in left.values()))
            except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
                self._log.warning("left running", backend=name, error=one_line(error))
                continue
            for id in left:
                await self._children.end(id)

    async def close(self) -> None:
        """Stop sweeping. The terminals are resources and close with them."""
        if self._sweep is not None:
            self._sweep.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- idle ---------------------------------------------------------------------------------

    def _sweep_later(self) -> None:
        lifetime = self._settings.lifetime
        awake = [lent.used for lent in self._lent.values() if not lent.asleep]
        if lifetime <= 0 or not awake or self._sweep is not None:
            return
        wait = max(min(awake) + lifetime - time.monotonic(), lifetime / 10)
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(wait, lambda: self._task(self._hibernate()))

    async def _hibernate(self) -> None:
        """Hibernate what nobody used for long enough and where nothing runs."""
        self._sweep = None
        oldest = time.monotonic() - self._settings.lifetime
        for scope, lent in list(self._lent.items()):
            if lent.asleep or lent.used > oldest:
                continue
            if any(map(self._works, lent.heard)) or lent.terminal.processes():
                lent.used = time.monotonic()
                continue
            lent.asleep = True
            try:
                await lent.terminal.hibernate()
            except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
                self._log.warning("not hibernated", scope=scope, error=one_line(error))
        self._sweep_later()

    async def _close(self, scope: str) -> None:
        self._lent.pop(scope, None)
        await self._resources.drop(("terminal", scope))

    # -- scopes -------------------------------------------------------------------------------

    async def _chat(self, info: SessionInfo) -> str:
        """Name the chat that a conversation, or the one it works for, belongs to."""
        at: SessionInfo | None = info
        for _ in range(ANCESTORS):
            if at is None:
                break
            if keys := await self._store().keys(at.id):
                return f"chat-{_safe(_chat_of(min(keys, key=str)))}"
            at = await self._store().session(at.parent) if at.parent else None
        return info.id

    def _spec(self, scope: str, info: SessionInfo) -> TerminalSpec:
        settings = self._settings
        limits = TerminalLimits(
            settings.container_cpu,
            settings.container_memory,
            settings.container_disk,
            settings.container_processes,
        )
        return TerminalSpec(
            scope, info.directory, limits=limits, persistent=settings.container_persistent
        )

    def _task(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _chat_of(key: SessionKey) -> str:
    """Threads of a chat, and what its members have each for themselves, share its terminal."""
    return ":".join((key.platform, key.account, key.chat))


def _safe(text: str) -> str:
    """Make a file name of *text*; two different texts never give the same."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: f".{ord(found[0]):x}.", text)
