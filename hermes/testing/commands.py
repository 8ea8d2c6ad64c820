"""Give a command and look at what it replied, without a shell or a chat."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from hermes.commands import Command, CommandContext, Group, Surface
from hermes.events import Event
from hermes.plugins import Host
from hermes.session import OWNER, PersonId, Role, SessionInfo
from hermes.testing.make import Asker, Events
from hermes.turn import Question, Reply


class FakeCommandContext(CommandContext):
    """A surface on which a command is given; runtime and conversation are the test's.

    A *host* left out is that of the test's home, with the plugins that are installed here.
    """

    def __init__(
        self,
        surface: Surface = "chat",
        *,
        role: Role = "owner",
        person: PersonId = OWNER,
        host: Any = None,
        runtime: Any = None,
        conversation: Any = None,
        session: SessionInfo | None = None,
        ask: Asker | None = None,
    ) -> None:
        self.surface = surface
        self.role = role
        self.person = person
        self._host = host
        self.asker = ask or Asker()
        self.replies: list[str] = []
        self.streamed = Events()
        self.switched: list[str] = []
        self.picks: dict[str, list[str]] = {}
        """What is offered to be chosen by a button: command to its choices."""
        self.left = False
        self._runtime = runtime
        self._conversation = conversation
        self._session = session

    @property
    def host(self) -> Any:  # type: ignore[override]
        """Opened when a command first asks for it."""
        if self._host is None:
            self._host = Host.open()
        return self._host

    @property
    def text(self) -> str:
        """Everything that was replied, a line each."""
        return "\n".join(self.replies)

    async def runtime(self) -> Any:
        if self._runtime is None:
            raise AssertionError("the command wants a runtime: pass one to FakeCommandContext")
        return self._runtime

    @property
    def session(self) -> SessionInfo | None:
        return self._session

    @property
    def conversation(self) -> Any:
        return self._conversation

    def reply(self, text: str) -> None:
        self.replies.append(text)

    def pick(self, command: str, choices: Sequence[str]) -> None:
        self.picks[command] = list(choices)

    async def ask(self, question: Question) -> Reply:
        return await self.asker(question)

    async def stream(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            self.streamed(event)

    def switch(self, session: str) -> None:
        self.switched.append(session)

    def leave(self) -> None:
        self.left = True


async def give(
    command: Command | Group, *arguments: str, context: FakeCommandContext | None = None
) -> FakeCommandContext:
    """Run *command* with *arguments* as a surface would. Raises `UsageError` as there."""
    context = context or FakeCommandContext()
    words: Sequence[str] = arguments
    await command.run(context, list(words))
    return context
