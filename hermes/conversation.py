"""A conversation, as those who hold one see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from hermes import errors
from hermes.events import Event, TurnFinished
from hermes.mailbox import Busy, Letter
from hermes.messages import Image, Message, Text
from hermes.prompt import PromptSession
from hermes.records import Reprompted, Rewound
from hermes.session import Authority, PersonId, SessionInfo, SessionKey
from hermes.store import Bind, Describe, SetState
from hermes.stream import Listener
from hermes.transcript import NO_TURN, Entry, turn_starts

if TYPE_CHECKING:
    from hermes.runtime import Runtime


class Conversation:
    """One conversation. Cheap: many may stand for the same one."""

    def __init__(
        self,
        runtime: Runtime,
        key: SessionKey | None,
        *,
        info: SessionInfo | None = None,
        directory: str = "",
        person: PersonId = "",
        new: bool = False,
    ) -> None:
        self._runtime = runtime
        self.key = key
        self._info = info
        self._directory = directory
        self._person = person
        self._new = new

    @property
    def info(self) -> SessionInfo:
        """What is known of it. Looked up by the first call of anything else (or `load`)."""
        if self._info is None:
            raise errors.NotFound("this conversation was not looked up yet; await load()")
        return self._info

    async def load(self) -> SessionInfo:
        """Look it up (again): the conversation its key is bound to, else a new one."""
        store = self._runtime.store
        if self._info is not None:
            self._info = await store.session(self._info.id) or self._info
            return self._info
        bound = await store.bound(self.key) if self.key and not self._new else None
        if bound:
            self._info = await store.session(bound) or self._runtime.newborn(bound)
        if self._info is None and self.key and not self._new:
            expected = self._runtime.expected(self.key)
            if expected:  # nothing but this awaits from here, so that each key gets one
                newborn = self._runtime.newborn(expected)
                self._info = newborn or await store.session(expected)
        if self._info is None:
            self._info = self._runtime.unborn(self.key, self._directory, person=self._person)
        return self._info

    async def send(
        self,
        text: str,
        *,
        images: tuple[Image, ...] = (),
        authority: Authority | None = None,
        model: str = "",
        toolsets: tuple[str, ...] = (),
        busy: Busy = "queue",
        retractable: bool = True,
        steps: int | None = None,
        sender: str = "",
        stop: asyncio.Event | None = None,
    ) -> AsyncIterator[Event]:
        """Send a message and give what happens, ending with `TurnFinished`.

        *authority* left out means the owner of this machine, who cannot be asked here. *toolsets*
        count for a conversation's first message. *busy* says what happens when a turn runs: wait,
        cancel it, or add the text to it. *retractable* False says that text shown cannot be taken
        back. Leaving the iteration early does not stop the turn: the method `stop` stops what runs
        and waits in this conversation, the event *stop*, when set, this message's turn alone.
        """
        letter = Letter(
            text,
            authority or Authority(self._runtime.surface, role="owner"),
            images=images,
            model=model,
            toolsets=toolsets,
            sender=sender,
            retractable=retractable,
            steps=steps,
            cancelled=stop or asyncio.Event(),
        )
        async for event in self._deliver(letter, busy):
            yield event

    async def resume(
        self, *, authority: Authority | None = None, stop: asyncio.Event | None = None
    ) -> AsyncIterator[Event]:
        """Go on with a turn that was interrupted; nothing happens where there is none."""
        if not (await self.load()).open_turn:
            return
        letter = Letter(
            "",
            authority or Authority(self._runtime.surface, role="owner"),
            resume=True,
            cancelled=stop or asyncio.Event(),
        )
        async for event in self._deliver(letter, "queue"):
            yield event

    async def retry(
        self, *, authority: Authority | None = None, model: str = ""
    ) -> AsyncIterator[Event]:
        """Take back the last turn and send its message again. Raises NotFound without one, and
        Busy.
        """
        await self.last_turn()
        letter = Letter(
            "",
            authority or Authority(self._runtime.surface, role="owner"),
            model=model,
            again=True,
        )
        async for event in self._deliver(letter, "queue"):
            yield event

    async def stop(self) -> bool:
        """Cancel the running turn; finished results stay. False when none runs here."""
        return self._runtime.mailbox((await self.load()).id).stop()

    async def undo(self, turns: int = 1) -> str:
        """Take back the last *turns* turns; give the text of the first of them.

        The records stay; the model no longer sees them. Raises NotFound, Busy or Conflict.
        """
        first = await self.last_turn(turns)
        agent = await self._runtime.agent(self.info)
        agent.transcript.note(Rewound(to=first.seq - 1, reason="undo"))
        await agent.transcript.commit()
        self._runtime.evict(self.info.id, "undo")
        return next((part.text for part in first.message.parts if isinstance(part, Text)), "")

    async def last_turn(self, turns: int = 1) -> Entry:
        """Give the message that began the last turn, or the *turns*-th last: it may be taken back.
        Raises NotFound without one, and Busy while one runs.
        """
        info = await self.load()
        if self._runtime.mailbox(info.id).running:
            raise errors.Busy("a turn is running here; wait, or stop it first")
        starts = turn_starts((await self._runtime.agent(info)).transcript.fold)
        if not starts:
            raise errors.NotFound(NO_TURN)
        return starts[-min(turns, len(starts))]

    async def reprompt(self, reason: str) -> None:
        """Render the prompt again, because what it is made of was changed on purpose; recorded with
        *reason*. The next request begins a prefix of its own. A conversation that has not begun is
        left to its first message. Raises Busy or Conflict.
        """
        info = await self.load()
        if self._runtime.mailbox(info.id).running:
            raise errors.Busy("a turn is running here; wait, or stop it first")
        agent = await self._runtime.agent(info)
        fold = agent.transcript.fold
        if not fold.opened:
            return
        names = tuple(spec.name for spec in fold.tools)
        session = PromptSession(info, names, brief=not names)
        prompt = await self._runtime.prompts.render(session)
        if prompt != fold.prompt:
            again = Reprompted(
                prompt=prompt, tools=fold.tools, reason=reason, sources=tuple(session.sources)
            )
            agent.transcript.note(again)
            await agent.transcript.commit()

    async def new(self, title: str = "") -> Conversation:
        """Begin another conversation in the same place; this one stays in the journal."""
        info = await self.load()
        fresh = Conversation(
            self._runtime, self.key, directory=info.directory, person=info.person, new=True
        )
        await fresh.load()
        if title:
            await fresh.rename(title)
        if self.key:
            await self._runtime.store.commit((Bind(self.key, fresh.info.id),))
        self._runtime.terminals.end(info.id)
        return fresh

    async def bind(self, key: SessionKey) -> None:
        """Make *key* mean this conversation (``/resume``)."""
        await self._runtime.store.commit((Bind(key, (await self.load()).id),))
        self.key = key

    async def rename(self, title: str) -> None:
        """Set the title. A conversation that had no turn yet is in the journal from now on."""
        info = await self.load()
        birth = self._runtime.birth(info.id)
        await self._runtime.store.commit((*birth, Describe(info.id, title=title)))
        self._runtime.born(info.id)
        await self.load()

    async def use_model(self, model: str) -> str:
        """Use ``provider:name`` from the next message on; give it as it was understood."""
        resolved = self._runtime.models.resolve(model)
        info = await self.load()
        await self._runtime.store.commit(
            (SetState("session", info.id, "hermes/model", resolved.encode()),)
        )
        return resolved

    async def model(self) -> str:
        """Give the model that the next message goes to."""
        chosen = await self._runtime.chosen_model((await self.load()).id)
        configured: str = self._runtime.host.config.section("hermes").model
        return self._runtime.models.resolve(chosen or configured or "local")

    async def messages(self) -> tuple[Message, ...]:
        """Give what the model sees."""
        info = await self.load()
        if not info.head:
            return ()
        return (await self._runtime.agent(info)).transcript.fold.messages

    async def _deliver(self, letter: Letter, busy: Busy) -> AsyncIterator[Event]:
        info = await self.load()
        listener = Listener()
        letter.listeners.append(listener)
        self._runtime.mailbox(info.id).put(letter, busy)
        async for event in listener:
            if isinstance(event, TurnFinished):
                await self.load()
            yield event
