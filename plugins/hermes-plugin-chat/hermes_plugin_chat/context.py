"""What a command works with that was given in the chat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from hermes import OWNER, Authority, CommandContext, Event, Question, Reply, SessionInfo

if TYPE_CHECKING:
    from hermes.conversation import Conversation
    from hermes.runtime import Runtime
    from hermes_plugin_chat.chat import Chat


class ChatContext(CommandContext):
    """One command of the person at the terminal."""

    surface = "chat"
    role = "owner"
    person = OWNER

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self.host = chat.runtime.host

    async def runtime(self) -> Runtime:
        return self._chat.runtime

    @property
    def session(self) -> SessionInfo | None:
        return self._chat.here.info

    @property
    def conversation(self) -> Conversation | None:
        return self._chat.here

    @property
    def authority(self) -> Authority:
        return self._chat.authority

    def reply(self, text: str) -> None:
        self._chat.screen.line(text)

    async def ask(self, question: Question) -> Reply:
        return await self._chat.ask(question)

    async def stream(self, events: AsyncIterator[Event]) -> None:
        await self._chat.show(events)

    def switch(self, session: str) -> None:
        self._chat.next = session

    def leave(self) -> None:
        self._chat.left = True
