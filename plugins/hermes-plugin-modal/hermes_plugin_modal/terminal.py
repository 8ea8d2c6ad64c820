"""The terminal of one scope in its sandbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import modal
from modal.exception import NotFoundError

from hermes import PluginContext, TerminalError, TerminalSpec
from hermes_plugin_modal.account import Account, said
from hermes_plugin_modal.channel import ExecChannel
from hermes_plugin_remote.channel import Channel
from hermes_plugin_remote.sandbox import SandboxTerminal


class ModalTerminal(SandboxTerminal):
    """A sandbox sleeps as a snapshot of its files, and wakes as another sandbox made from it."""

    backend = "modal"
    inline = 40_000  # the SDK takes 65,536 bytes of words

    def __init__(
        self,
        context: PluginContext,
        spec: TerminalSpec,
        account: Account,
        name: str,
        sandbox: str = "",
    ) -> None:
        """*sandbox* is the id of the one to reach, where not that of the scope is meant."""
        super().__init__(context, spec)
        self._account = account
        self._named = name
        self._only = sandbox
        self._sandbox: modal.Sandbox | None = None
        self._slept = False
        self.place = f"modal {name}"

    def where(self) -> str:
        return self._sandbox.object_id if self._sandbox is not None else ""

    async def wake(self) -> str:
        before, slept = self._sandbox, self._slept
        known = self._only or (before.object_id if before is not None and not slept else "")
        found = await self._account.running(known) if known else None
        if found is None and self._only:
            raise TerminalError(f"{self.place}: that sandbox has ended")
        if found is None and before is None:
            found = await self._account.named(self._named)  # of a Hermes that died
        lost = ""
        if found is None:
            found, lost = await self._made()
            if before is not None and not slept:
                lost = lost or "it ended by itself; what changed since it last slept is lost"
        self._sandbox, self._slept = found, False
        return lost

    async def _made(self) -> tuple[modal.Sandbox, str]:
        snapshot = await self._account.kept(self._named) if self.spec.persistent else ""
        lost = ""
        try:
            return await self._account.make(self._named, self.spec, snapshot), lost
        except NotFoundError:
            if not snapshot:
                raise TerminalError(f"{self.place}: Modal does not find the app") from None
            lost = "its snapshot is no more; this is a new, empty sandbox"
        made = await self._account.make(self._named, self.spec, "")
        if not self.opened:
            self.tell(f"{self.place}: {lost}")
        return made, lost

    async def sleep(self) -> None:
        if self._sandbox is not None:
            try:
                await self._account.snapshot(self._named, self._sandbox)
            except NotFoundError:
                return  # it ended before: what it kept is the snapshot before
            await self._account.terminate(self._sandbox)
            self._slept = True

    async def destroy(self) -> None:
        if self._sandbox is not None:
            await self._account.terminate(self._sandbox)

    def price(self, awake: bool) -> float:
        return self._account.price(self.spec) if awake else 0.0

    async def reach(self, words: Sequence[str], feed: Callable[[bytes], None]) -> Channel:
        assert self._sandbox is not None
        try:
            with said(self.place):
                process = await self._sandbox.exec.aio(
                    *words,
                    stderr=modal.stream_type.StreamType.DEVNULL,
                    text=False,
                )
        except NotFoundError:
            raise TerminalError(f"{self.place}: the sandbox has ended") from None
        return ExecChannel(feed, process, self.place)
