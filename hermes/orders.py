"""Commands and answers that come in by a messenger (§8)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import msgspec

from hermes.commands import CommandContext, UsageError
from hermes.errors import HermesError, one_line
from hermes.events import Asked, Event, TurnFinished
from hermes.platform import Admission, Inbound
from hermes.session import Authority, SessionInfo, SessionKey, allows
from hermes.turn import NOBODY, Question, Reply

if TYPE_CHECKING:
    from hermes.conversation import Conversation
    from hermes.gateway import Gateway
    from hermes.mailbox import Busy
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
        self.posted = False
        """The message has become one for the model: it is not ended as a command."""
        self._streams = False
        self._gateway = gateway
        self._inbound = inbound
        self._conversation = conversation

    async def runtime(self) -> Runtime:
        return self._gateway.runtime

    @property
    def authority(self) -> Authority:
        return self._gateway.intake.authority(self._inbound)

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
        """Let the turn run beside the chat, which may stop it; its reply comes by itself."""
        self._streams = True
        self._gateway.spawn(self._follow(events))

    async def _follow(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            if isinstance(event, Asked):
                self._gateway.put_question(self._inbound, event)
            if isinstance(event, TurnFinished) and event.reply and event.status != "cancelled":
                text = event.reply if event.status != "failed" else f"⚠️ {event.reply}"
                self._gateway.say(self._inbound.key, text)

    async def post(self, text: str, busy: Busy) -> None:
        if not text.strip():
            raise UsageError("say what")
        self.posted = True
        await self._gateway.intake.post(msgspec.structs.replace(self._inbound, text=text), busy)

    async def answer(self, choice: str) -> str:
        return await self._gateway.orders.say(self._inbound, choice)

    @property
    def gateway(self) -> Gateway | None:
        return self._gateway

    @property
    def key(self) -> SessionKey | None:
        return self._inbound.key

    @property
    def quiet(self) -> bool:
        """Nothing said, and nothing to say: a reply comes by itself."""
        return self._streams or self.posted

    def switch(self, session: str) -> None:
        """Nothing to do: the chat's key is bound to it already."""


class Orders:
    """Takes commands and answers out of what comes in."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._slash = gateway.runtime.host.slash
        self._questions: dict[SessionKey, list[tuple[Asked, str]]] = {}

    def menu(self) -> list[tuple[str, str]]:
        """Name and summary of every command, for a platform's own menu."""
        return list(self._slash.menu().items())

    def open_question(self, inbound: Inbound, asked: Asked) -> None:
        """Remember a question of a chat and whom it is for."""
        self._questions.setdefault(inbound.key, []).append((asked, inbound.person))

    async def answer(self, inbound: Inbound) -> Admission:
        """Answer a question by a pressed button."""
        await self._gateway.intake.finish(inbound, "command", await self.say(inbound, inbound.text))
        return Admission("command")

    async def say(self, inbound: Inbound, choice: str) -> str:
        """Answer a question of this chat; give what is to be said of it, if anything.

        It is the person's who caused it, or an owner's, to answer.
        """
        here = self._questions.get(inbound.key, [])
        for asked, person in here:
            if inbound.answers and asked.id != inbound.answers:
                continue
            if inbound.person != person and inbound.role != "owner":
                return "That question is not for you."
            if asked.choices and choice not in (*asked.choices, "deny"):
                return f"Answer with one of: {', '.join(asked.choices)}"
            here.remove((asked, person))
            by = inbound.person or inbound.sender.id
            return "" if await self._gateway.runtime.answer(asked.id, choice, by=by) else LATE
        return LATE if inbound.answers else "Nothing waits for an answer."

    async def take(self, inbound: Inbound) -> bool:
        """Run *inbound* if it is a command. False for a message to the model."""
        parsed = self._slash.parse(inbound.text)
        if parsed is None:
            return False
        await self._run(inbound, *parsed)
        return True

    async def _run(self, inbound: Inbound, name: str, rest: str) -> None:
        said: str | None
        try:
            said = await self._say(inbound, name, rest)
        except HermesError as error:
            said = str(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            self._gateway.log.error("command failed", command=name, error=one_line(error))
            said = f"/{name} failed: {one_line(error)}"
        if said is not None:
            await self._gateway.intake.finish(inbound, "command", said)

    async def _say(self, inbound: Inbound, typed: str, rest: str) -> str | None:
        """Run a command; give its reply, or None where it became a message to the model."""
        name, command = self._slash.find(typed)
        if not allows(inbound.role or "guest", command.role):
            raise UsageError(f"/{name} is for {command.role}s")
        runtime = self._gateway.runtime
        conversation = self._gateway.intake.conversation(inbound)
        info = await conversation.load()
        if not command.busy and runtime.mailbox(info.id).running is not None:
            raise UsageError(BUSY)
        context = ChatContext(self._gateway, inbound, conversation)
        await command.run(context, command.words(rest), f"/{name}")
        if context.posted:
            return None
        return "\n".join(context.said) or ("" if context.quiet else "Done.")
