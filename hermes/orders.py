"""Commands and answers that come in by a messenger (§8)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from hermes.commands import CommandContext, UsageError
from hermes.errors import HermesError, one_line
from hermes.events import Asked, Event, TurnFinished
from hermes.platform import Admission, Inbound
from hermes.session import Authority, SessionInfo, allows
from hermes.turn import NOBODY, Question, Reply

if TYPE_CHECKING:
    from hermes.conversation import Conversation
    from hermes.gateway import Gateway
    from hermes.runtime import Runtime

LATE = "That question is answered or expired."
BUSY = "A turn is running: wait for it, or /stop first."


class ChatContext(CommandContext):
    """A command that somebody gave in a chat: what it says is its reply."""

    surface = "chat"

    def __init__(self, gateway: Gateway, inbound: Inbound, conversation: Conversation) -> None:
        self.host = gateway.runtime.host
        self.role = inbound.role or "guest"
        self.person = inbound.person
        self.said: list[str] = []
        self._gateway = gateway
        self._inbound = inbound
        self._conversation = conversation

    async def runtime(self) -> Runtime:
        return self._gateway.runtime

    @property
    def authority(self) -> Authority:
        return self._gateway.authority(self._inbound)

    @property
    def session(self) -> SessionInfo | None:
        return self._conversation.info

    @property
    def conversation(self) -> Conversation | None:
        return self._conversation

    def reply(self, text: str) -> None:
        self.said.append(text)

    async def ask(self, question: Question) -> Reply:
        return NOBODY

    async def stream(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            if isinstance(event, Asked):
                self._gateway.put_question(self._inbound, event)
            if isinstance(event, TurnFinished) and event.reply and event.status != "cancelled":
                self.reply(event.reply if event.status == "ok" else f"⚠️ {event.reply}")

    def switch(self, session: str) -> None:
        """Nothing to do: the chat's key is bound to it already."""


class Orders:
    """Takes commands and answers out of what comes in."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._slash = gateway.runtime.host.slash
        self._questions: dict[str, list[Asked]] = {}

    def menu(self) -> list[tuple[str, str]]:
        """Name and summary of every command, for a platform's own menu."""
        offers = self._gateway.runtime.host.offers("commands")
        return [(name, offers[name].summary) for name in self._slash.names()]

    def open_question(self, inbound: Inbound, asked: Asked) -> None:
        """Remember a question of a chat, for ``/approve`` and ``/deny`` without an id."""
        self._questions.setdefault(str(inbound.key), []).append(asked)

    async def answer(self, inbound: Inbound) -> Admission:
        """Answer a question by a pressed button."""
        asked = self._taken(inbound, inbound.answers)
        done = asked is not None and await self._gateway.runtime.answer(
            inbound.answers, inbound.text, by=inbound.person or inbound.sender.id
        )
        await self._gateway.finish(inbound, "command", "" if done else LATE)
        return Admission("command")

    async def take(self, inbound: Inbound) -> bool:
        """Run *inbound* if it is a command. False for a message to the model."""
        parsed = self._slash.parse(inbound.text)
        if parsed is None:
            return False
        name, rest = parsed
        if name in ("approve", "deny"):
            await self._approve(inbound, name, rest)
            return True
        self._gateway.spawn(self._run(inbound, name, rest))
        return True

    async def _approve(self, inbound: Inbound, name: str, rest: str) -> None:
        choice = "deny" if name == "deny" else (rest.strip() or "once")
        asked = self._taken(inbound, "")
        if asked is None:
            said = "Nothing waits for an answer."
        elif asked.choices and choice not in (*asked.choices, "deny"):
            self.open_question(inbound, asked)
            said = f"Answer with one of: {', '.join(asked.choices)}"
        else:
            by = inbound.person or inbound.sender.id
            done = await self._gateway.runtime.answer(asked.id, choice, by=by)
            said = "" if done else LATE
        await self._gateway.finish(inbound, "command", said)

    def _taken(self, inbound: Inbound, id: str) -> Asked | None:
        """Take the question of that id, or the oldest, out of those put into this chat."""
        open_here = self._questions.get(str(inbound.key), [])
        for asked in open_here:
            if not id or asked.id == id:
                open_here.remove(asked)
                return asked
        return None

    async def _run(self, inbound: Inbound, name: str, rest: str) -> None:
        try:
            said = await self._say(inbound, name, rest)
        except HermesError as error:
            said = str(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            self._gateway.log.error("command failed", command=name, error=one_line(error))
            said = f"/{name} failed: {one_line(error)}"
        await self._gateway.finish(inbound, "command", said or "Done.")

    async def _say(self, inbound: Inbound, typed: str, rest: str) -> str:
        name, command = self._slash.find(typed)
        if not allows(inbound.role or "guest", command.role):
            raise UsageError(f"/{name} is for {command.role}s")
        runtime = self._gateway.runtime
        conversation = self._gateway.conversation(inbound)
        info = await conversation.load()
        if not command.busy and runtime.mailbox(info.id).running is not None:
            raise UsageError(BUSY)
        context = ChatContext(self._gateway, inbound, conversation)
        await command.run(context, command.words(rest), f"/{name}")
        return "\n".join(context.said)
