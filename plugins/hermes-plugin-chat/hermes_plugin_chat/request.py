"""What a person asked for when they started a chat, and the conversation that it means."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from hermes import OWNER, Authority, NotFound, Role, SessionInfo, SessionKey

if TYPE_CHECKING:
    from hermes.conversation import Conversation
    from hermes.runtime import Runtime

SURFACE = "cli"
PAGE = 200


class Request(msgspec.Struct, frozen=True):
    """The options of ``hermes chat``."""

    directory: str
    """Where it was started: the workspace of a new conversation."""
    model: str = ""
    toolsets: tuple[str, ...] = ()
    again: bool = False
    """Go on with the last conversation of this directory."""
    resume: str = ""
    """Id, beginning of an id, or title."""
    yolo: bool = False
    role: Role = "owner"
    """Less beneath a tool of Hermes."""
    incognito: bool = False
    """Nothing is kept."""
    steps: int | None = None
    stream: bool = True

    @property
    def key(self) -> SessionKey:
        """Where the conversation happens: this folder's terminal."""
        return SessionKey(SURFACE, self.directory)

    def authority(self, *, can_ask: bool) -> Authority:
        return Authority(SURFACE, OWNER, self.role, can_ask=can_ask, yolo=self.yolo)


async def conversation(runtime: Runtime, request: Request) -> Conversation:
    """Give the conversation that *request* means. Raises NotFound."""
    if request.resume:
        found = await runtime.find(request.resume)
        return await runtime.conversation(request.key, id=found.id)
    if request.again:
        last = await last_here(runtime, request.directory)
        if last is None:
            raise NotFound(f"there is no conversation of {request.directory} to go on with")
        return await runtime.conversation(request.key, id=last.id)
    return await runtime.conversation(request.key, directory=request.directory, new=True)


async def last_here(runtime: Runtime, directory: str) -> SessionInfo | None:
    """Find the conversation of this folder's terminal that somebody used last."""
    before = None
    while True:
        page = await runtime.store.sessions(surface=SURFACE, before=before, limit=PAGE)
        for info in page:
            if info.directory == directory and info.records:
                return info
        if len(page) < PAGE:
            return None
        before = page[-1].updated


def check_toolsets(runtime: Runtime, names: tuple[str, ...]) -> None:
    """Raise NotFound for a toolset that nobody offers, before anything is sent."""
    if names:
        runtime.tools.names(names)


def at_terminal() -> bool:
    """Whether a person can read and type here."""
    return sys.stdin.isatty() and sys.stdout.isatty()
