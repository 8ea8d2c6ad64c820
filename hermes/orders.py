"""Commands and answers that come in by a messenger (§8)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

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

YES = frozenset({"yes", "y", "ok", "okay", "approve"})
NO = frozenset({"no", "n", "deny"})
AGAIN = 10.0
"""Seconds that an answer waits, after a start, for the question to be asked again."""
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
        self.picks: tuple[str, tuple[str, ...]] = ("", ())
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

    def pick(self, command: str, choices: Sequence[str]) -> None:
        self.picks = (f"/{command}" if choices else "", tuple(choices))

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
            if isinstance(event, TurnFinished):
                self._gateway.orders.close_questions(self._inbound)
            if isinstance(event, TurnFinished) and event.reply and event.status != "cancelled":
                text = event.reply if event.status != "failed" else f"⚠️ {event.reply}"
                self._gateway.say(self._inbound.key, text)

    async def post(self, text: str, busy: Busy) -> None:
        if not text.strip():
            raise UsageError("say what")
        self.posted = True
        await self._gateway.intake.post(msgspec.structs.replace(self._inbound, text=text), busy)

    async def retry(self) -> None:
        await self._conversation.last_turn()
        self.posted = True
        await self._gateway.intake.post(self._inbound, "queue", self._conversation, again=True)

    async def answer(self, choice: str, text: str = "") -> str:
        return await self._gateway.orders.say(self._inbound, choice, text)

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
        """Nothing to do: the command has bound the chat's key to it."""


class Open(msgspec.Struct, frozen=True):
    """A question that waits in a chat."""

    asked: Asked
    person: str
    cause: str
    """Id of the message whose turn asks."""


class Said(NamedTuple):
    """What a command replies."""

    text: str
    order: str = ""
    """The command that the buttons give, each with its label."""
    choices: tuple[str, ...] = ()


class Orders:
    """Takes commands and answers out of what comes in."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._slash = gateway.runtime.host.slash
        self._questions: dict[SessionKey, list[Open]] = {}
        """By place: in a group everybody sees them, whosever they are to answer."""
        self._resuming: dict[SessionKey, set[str]] = {}
        """Places to conversations whose interrupted turn goes on, and may ask again."""

    def menu(self) -> list[tuple[str, str]]:
        """Name and summary of every command, for a platform's own menu."""
        return list(self._slash.menu().items())

    def open_question(self, inbound: Inbound, asked: Asked) -> None:
        """Remember a question of a chat, whose message caused it and whom it is for."""
        question = Open(asked, inbound.person, inbound.id)
        self._questions.setdefault(_place(inbound), []).append(question)

    def close_questions(self, inbound: Inbound) -> None:
        """Forget the questions of a turn that is over: nobody can answer them any more."""
        place = _place(inbound)
        left = [each for each in self._questions.pop(place, ()) if each.cause != inbound.id]
        if left:
            self._questions[place] = left

    def expect_questions(self, inbound: Inbound, session: str) -> None:
        """Say that a turn goes on which may have asked something in an earlier life."""
        self._resuming.setdefault(_place(inbound), set()).add(session)

    async def _asked_again(self, inbound: Inbound) -> None:
        """Before anything is taken for an answer, let a resumed turn ask again what it had asked:
        somebody may have answered while nobody was there.
        """
        place = _place(inbound)
        sessions = self._resuming.get(place)
        if sessions is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN):
                while True:
                    waiting = await self._gateway.runtime.questions.pending(sessions)
                    if not waiting - self._ids(place):
                        break
                    await asyncio.sleep(0.1)
        self._resuming.pop(place, None)

    def _ids(self, place: SessionKey) -> set[str]:
        return {each.asked.id for each in self._questions.get(place, ())}

    async def answer(self, inbound: Inbound) -> Admission:
        """Answer a question by a pressed button; what a command offered gives that command."""
        if (order := self._slash.parse(f"{inbound.answers} {inbound.text}")) is not None:
            await self._run(inbound, *order)
            return Admission("command")
        await self._gateway.intake.finish(inbound, "command", await self.say(inbound, inbound.text))
        return Admission("command")

    async def say(self, inbound: Inbound, choice: str, text: str = "") -> str:
        """Answer a question of this chat; give what is to be said of it, if anything.

        It is the person's who caused it, or an owner's, to answer; a guest allows nothing.
        """
        await self._asked_again(inbound)
        here = self._questions.get(_place(inbound), [])
        meant = [each for each in here if inbound.answers in ("", each.asked.id)]
        theirs = [each for each in meant if _may_answer(inbound, each)]
        if meant and not theirs:
            return "That question is not for you."
        for question in sorted(theirs, key=lambda each: each.person != inbound.person)[:1]:
            asked = question.asked
            if choice and asked.choices and choice not in (*asked.choices, "deny"):
                return f"Answer with one of: {', '.join(asked.choices)}"
            here.remove(question)
            by = inbound.person or inbound.sender.id
            taken = await self._gateway.runtime.answer(asked.id, choice, text, by=by)
            return "" if taken else LATE
        return LATE if inbound.answers else "Nothing waits for an answer."

    def _in_words(self, inbound: Inbound) -> tuple[str, str] | None:
        """Give the choice and the text by which a message answers what its sender was asked.

        An approval takes a plain yes or no, another question one of its choices, and one without
        choices whatever is said. Anything else is a message.
        """
        text = inbound.text.strip()
        asked = next((q.asked for q in self._questions.get(_place(inbound), ())
                      if q.person == inbound.person and _may_answer(inbound, q)), None)  # fmt: skip
        if asked is None or text.startswith("/"):
            return None
        if asked.purpose == "approval":
            word = text.casefold().rstrip(".!")
            return ("once", "") if word in YES else ("deny", "") if word in NO else None
        if not asked.choices:
            return ("", text)
        chosen = [each for each in asked.choices if each.casefold() == text.casefold()]
        return (chosen[0], "") if chosen else None

    async def take(self, inbound: Inbound) -> bool:
        """Run *inbound* if it is a command, or an answer in words. False for a message."""
        if not inbound.text.startswith("/"):
            await self._asked_again(inbound)
        if (answer := self._in_words(inbound)) is not None:
            said = await self.say(inbound, *answer)
            if said != LATE:  # else nobody waited for it: a message like any
                await self._gateway.intake.finish(inbound, "command", said)
                return True
        parsed = self._slash.parse(inbound.text)
        if parsed is None:
            return False
        await self._run(inbound, *parsed)
        return True

    async def _run(self, inbound: Inbound, name: str, rest: str) -> None:
        said: Said | None
        try:
            said = await self._say(inbound, name, rest)
        except HermesError as error:
            said = Said(str(error))
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            self._gateway.log.error("command failed", command=name, error=one_line(error))
            said = Said(f"/{name} failed: {one_line(error)}")
        if said is not None:
            finish = self._gateway.intake.finish
            await finish(inbound, "command", said.text, question=said.order, choices=said.choices)

    async def _say(self, inbound: Inbound, typed: str, rest: str) -> Said | None:
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
        text = "\n".join(context.said) or ("" if context.quiet else "Done.")
        return Said(text, *context.picks)


def _place(inbound: Inbound) -> SessionKey:
    return msgspec.structs.replace(inbound.key, person="")


def _may_answer(inbound: Inbound, question: Open) -> bool:
    if inbound.role == "owner":
        return True
    allowing = question.asked.purpose == "approval" and not allows(inbound.role or "guest", "user")
    return inbound.person == question.person and not allowing
