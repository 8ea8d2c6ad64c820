"""The terminal of one scope in its sandbox."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from daytona import AsyncSandbox, SessionExecuteRequest

from hermes import PluginContext, TerminalSpec
from hermes_plugin_daytona.account import Account, said
from hermes_plugin_daytona.channel import WRAP, SessionChannel
from hermes_plugin_remote import envelope
from hermes_plugin_remote.channel import Channel
from hermes_plugin_remote.sandbox import SandboxTerminal


class DaytonaTerminal(SandboxTerminal):
    """Each command is one of a session of its own; sessions that are free again are used again."""

    backend = "daytona"

    def __init__(
        self, context: PluginContext, spec: TerminalSpec, account: Account, name: str
    ) -> None:
        super().__init__(context, spec)
        self._account = account
        self._named = name
        self._sandbox: AsyncSandbox | None = None
        self._free: list[str] = []
        self.place = f"daytona {name}"

    def where(self) -> str:
        return self._sandbox.id if self._sandbox is not None else ""

    async def wake(self) -> str:
        before = self._sandbox
        found = await self._account.find(before.id if before is not None else self._named)
        lost = ""
        if found is None:
            if before is not None:
                lost = "the sandbox was deleted, with its files; a new, empty one takes its place"
            found = await self._account.make(self._named, self.spec)
        await self._account.start(found)
        self._sandbox = found
        self._free.clear()
        return lost

    async def sleep(self) -> None:
        if self._sandbox is not None:
            await self._account.stop(self._sandbox)

    async def destroy(self) -> None:
        if self._sandbox is not None:
            await self._account.delete(self._sandbox)

    def price(self, awake: bool) -> float:
        return 0.0 if self._sandbox is None else self._account.price(self._sandbox, awake)

    async def reach(self, words: Sequence[str], feed: Callable[[bytes], None]) -> Channel:
        assert self._sandbox is not None
        process = self._sandbox.process
        text = f"bash -c {envelope.text([WRAP, 'bash', *words])}"
        asked = SessionExecuteRequest(command=text, run_async=True, suppress_input_echo=True)
        with said(self._named):
            if self._free:
                session = self._free.pop()
            else:
                session = f"hermes-{uuid.uuid4().hex}"
                await process.create_session(session)
            started = await process.execute_session_command(session, asked)
        return SessionChannel(feed, self._sandbox, session, started.cmd_id, self._free.append)
