"""The composition root: opens what a home has and runs its conversations (§5).

    async with Runtime.open() as runtime:
        async for event in runtime.session(SessionKey("program", "me")).send("Hello"):
            ...

Everything that talks to an agent stands on this: the terminal, the gateway, an HTTP API, a program
of your own (``docs/embedding.md``).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from hermes.agent import Agent
from hermes.chain import Link
from hermes.children import ProcessChildren
from hermes.conversation import Conversation
from hermes.errors import NotFound, PluginError, one_line
from hermes.events import AgentEvicted, Event, Forgotten
from hermes.grants import Grants
from hermes.identity import new_id, now
from hermes.mailbox import Mailbox
from hermes.memory import Memory
from hermes.models import ModelCalls
from hermes.opening import Prompts, Tools
from hermes.outbox import Outbox
from hermes.paths import IncognitoPaths
from hermes.plugins import Host
from hermes.provider import ModelInfo
from hermes.questions import Questions
from hermes.resource import Resource
from hermes.resources import Resources
from hermes.session import OWNER, PersonId, SessionId, SessionInfo, SessionKey
from hermes.state import StoredState
from hermes.store import Bind, Change, Describe, Store
from hermes.stream import Listener
from hermes.terminal import Terminal
from hermes.terminals import Terminals
from hermes.toolbox import Toolbox
from hermes.transcript import Transcript
from hermes.turn import Reply
from hermes.turns import Turns

CACHE = 64_000_000
"""Characters of transcripts kept in memory; what is over is folded again when needed."""
IDLE = 60.0
"""Seconds after which a transcript that nobody used is dropped."""
STEPS = 8
"""How many are looked at for that with each turn."""
OBSERVE = 30.0
"""Seconds an observer has for one event."""
EXPECTED = 10_000
"""Keys of conversations that have just begun, or are about to, that are remembered."""
OPENING = 5.0
"""Seconds that a turn waits for a memory to open, the first time."""
CHOSEN = "hermes/model"
"""State of a conversation: the model a person chose for it."""


class Runtime:
    """A home, opened. Make it with `Runtime.open`."""

    def __init__(self, host: Host, surface: str) -> None:
        self.host = host
        self.surface = surface
        self.log = host.logs.bind(plugin="hermes")
        self.resources = Resources(self.log)
        self.children = ProcessChildren(host.paths.run, host.secrets)
        self.terminals = Terminals(
            host, self.resources, self.children, lambda: self.store, self._works
        )
        self.links: list[Link] = []
        self.store: Store
        self.outbox: Outbox
        self.models = ModelCalls(host, self.resources)
        self.questions: Questions
        self.grants: Grants
        """What people allowed beforehand (§10)."""
        self.tools = Tools(host, self.resources, self.log)
        self.prompts = Prompts(host, self.log)
        self._turns = Turns(self)
        self._agents: dict[SessionId, Agent] = {}
        self._mailboxes: WeakValueDictionary[SessionId, Mailbox] = WeakValueDictionary()
        """Each lives as long as it works, or somebody is about to put something in."""
        self._expected: OrderedDict[SessionKey, SessionId] = OrderedDict()
        self._untrimmed = 0
        self._late: set[str] = set()
        """Memories that did not open in time."""
        self._observers: list[tuple[Listener, asyncio.Task[None]]] = []

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        home: Path | None = None,
        *,
        surface: str = "program",
        host: Host | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Runtime]:
        """Open the home (``HERMES_HOME`` or ``~/.hermes``) and close it at the end.

        *overrides* are settings by dotted key that stand above the file. Raises ConfigError for a
        configuration that cannot be used, PluginError for middleware that cannot be loaded, and
        StoreError for a journal that cannot be read.
        """
        runtime = cls(host or Host.open(home, overrides=overrides), surface)
        try:
            await runtime._open()
            yield runtime
        finally:
            await runtime._close()

    async def _open(self) -> None:
        host = self.host
        await self.children.reap()
        host.attach(  # before anything is made: a plugin may keep what its context holds
            models=self.models,
            state=lambda plugin: StoredState(plugin, lambda: self.store),
            children=self.children,
            runtime=self,
        )
        self.links = [
            Link(offer.plugin, offer.name, made, offer.optional)
            for offer, made in host.middleware()
        ]
        self.models.link(self.links)
        for link in self.links:
            if type(link.middleware).open is not Resource.open:
                named = (link.plugin, f"middleware {link.name}")
                make = partial(_same, link.middleware)
                await self.resources.get(("middleware", link.name), make, named)
        name = host.config.section("hermes").store
        named = (_whose(host, "stores", name), f"store {name}")
        self.store = await self.resources.get("store", lambda: host.create("stores", name), named)
        self.questions = Questions(self.store)
        self.grants = Grants(self.store)
        self.outbox = Outbox(self.store, host.paths)
        self._start_observers()
        self.terminals.reap_later()

    async def _close(self) -> None:
        await asyncio.gather(*(mailbox.close() for mailbox in list(self._mailboxes.values())))
        await self._turns.close()
        for listener, task in self._observers:
            listener.close()
            await asyncio.wait((task,), timeout=1)
            task.cancel()
        await self.terminals.close()
        await self.resources.close()
        await self.children.close()
        if isinstance(self.host.paths, IncognitoPaths):
            self.host.paths.vanish()

    # -- conversations ------------------------------------------------------------------------

    def session(
        self, key: SessionKey, *, directory: str = "", person: PersonId = ""
    ) -> Conversation:
        """Give the conversation of *key*: the one it is bound to, else a new one of *person*'s.

        Left out, the person is the key's, else the owner of this machine. Looked up when first
        used, so that this need not be awaited.
        """
        return Conversation(self, key, directory=directory, person=person)

    async def conversation(
        self,
        key: SessionKey | None = None,
        *,
        id: SessionId = "",
        directory: str = "",
        new: bool = False,
    ) -> Conversation:
        """Give a conversation: by *id*, by *key*, or a new one (bound to *key* if there is one).

        Raises NotFound for an id that the journal does not have.
        """
        if id:
            info = await self.store.session(id) or self.newborn(id)
            if info is None:
                raise NotFound(f"no conversation {id}; hermes sessions list shows them")
            return Conversation(self, key, info=info)
        conversation = Conversation(self, key, directory=directory, new=new)
        await conversation.load()
        return conversation

    async def find(self, text: str, *, person: PersonId | None = None) -> SessionInfo:
        """Find one conversation, of *person* where given, by id, the beginning of an id, or title.
        Raises NotFound.
        """
        found = await self.store.find(text, person=person)
        if not found:
            raise NotFound(f"no conversation {text!r}; hermes sessions list shows them")
        if len(found) > 1 and found[0].id != text:
            ids = ", ".join(info.id for info in found[:5])
            raise NotFound(f"{text!r} could be any of {ids}")
        return found[0]

    async def answer(self, id: str, choice: str, text: str = "", by: str = "owner") -> bool:
        """Answer a question of any conversation, from any process of this home.

        False: there is no such question, its time is over, or somebody answered first.
        """
        return await self.questions.answer(id, Reply(choice, text, by))

    async def warm(self, model: str = "") -> None:
        """Open the provider of *model* (the configured one if empty) before it is needed.

        A surface does this while the person types. What goes wrong is said when it is used.
        """
        try:
            name = self.models.resolve(model or self.host.config.section("hermes").model or "local")
            await self.models.provider(name.partition(":")[0])
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            self.log.debug("provider not warmed", error=one_line(error))

    async def provider_models(self) -> dict[str, tuple[ModelInfo, ...]]:
        """List every provider's models; a provider that cannot be asked has none."""
        listed: dict[str, tuple[ModelInfo, ...]] = {}
        for name in self.host.offers("providers"):
            try:
                provider = await self.models.provider(name)
                async with asyncio.timeout(10):
                    listed[name] = await provider.models()
            except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
                self.log.warning("models not listed", provider=name, error=one_line(error))
                listed[name] = ()
        return listed

    def mailbox(self, id: SessionId) -> Mailbox:
        """Give the mailbox of a conversation."""
        mailbox = self._mailboxes.get(id)
        if mailbox is None:
            mailbox = self._mailboxes[id] = Mailbox(partial(self._turns.run, id))
        return mailbox

    async def idle(self) -> None:
        """Wait until no conversation has anything to do."""
        for mailbox in list(self._mailboxes.values()):
            await mailbox.idle()

    # -- agents -------------------------------------------------------------------------------

    async def agent(self, info: SessionInfo) -> Agent:
        """Give the agent of a conversation, folding its journal where it is not in memory."""
        agent = self._agents.pop(info.id, None)
        if agent is None:
            transcript = Transcript(self.store, info.id, redact=self.host.secrets.redact)
            agent = Agent(transcript, self.toolbox(transcript, info, ()), self.models.call)
        if agent.transcript.fold.head < info.head or agent.transcript.fold.stale:
            await agent.transcript.refresh()
        if agent.transcript.fold.opened and not agent.toolbox.tools and agent.transcript.fold.tools:
            tools = await self.tools.gather()
            agent.toolbox = self.toolbox(agent.transcript, info, tools)
        agent.used = time.monotonic()
        self._agents[info.id] = agent  # most recently used is last
        self._trim()
        return agent

    def _trim(self) -> None:
        """Drop what nobody used for a while, and the least used of what is too much."""
        at = time.monotonic()
        for id, agent in list(islice(self._agents.items(), STEPS)):  # least recently used is first
            if at - agent.used < IDLE:
                break
            if self._works(id):
                agent.used, self._agents[id] = at, self._agents.pop(id)
            else:
                self.evict(id, "idle")
        self._untrimmed += 1
        if self._untrimmed * 16 < len(self._agents):  # adding up all of them takes its time
            return
        self._untrimmed = 0
        size = sum(agent.transcript.fold.size for agent in self._agents.values())
        for id in list(self._agents)[:-1]:
            if size <= CACHE:
                return
            if self._works(id):
                continue
            size -= self._agents[id].transcript.fold.size
            self.evict(id, "memory")

    def _works(self, id: SessionId) -> bool:
        mailbox = self._mailboxes.get(id)
        return mailbox is not None and mailbox.running is not None

    def evict(self, id: SessionId, reason: str) -> None:
        """Drop an agent: its route and transcript; no connection goes with it (§5.6, §6.1)."""
        if self._agents.pop(id, None) is not None:
            self.log.debug("agent evicted", session=id, reason=reason)
            self.observe(SessionInfo(id), AgentEvicted(id, reason))

    def forgotten(self, id: SessionId) -> None:
        """Tell everybody that a conversation, or turns of it, were erased from the store."""
        self.evict(id, "forgotten")
        self.observe(SessionInfo(id), Forgotten(id))

    def toolbox(self, transcript: Transcript, info: SessionInfo, tools: Any) -> Toolbox:
        """Make the toolbox of a conversation."""
        return Toolbox(
            tools,
            self.links,
            transcript=transcript,
            info=info,
            context=self.host.context,
            terminals=self.terminals,
            outputs=self.host.paths.outputs,
            redact=self.host.secrets.redact,
            redact_file=self.host.secrets.redact_file,
        )

    async def terminal(self, info: SessionInfo) -> Terminal:
        """Give the terminal of a conversation's scope, opened at first use."""
        return await self.terminals.get(info)

    # -- memory, observers --------------------------------------------------------------------

    async def memories(self) -> list[Memory]:
        """Give the memories that take part: those that always do, then the configured one.

        One that cannot be opened is left out; one that takes its time, until it is there. None
        takes part in what is incognito.
        """
        return list((await self.named_memories()).values())

    async def named_memories(self) -> dict[str, Memory]:
        """Give the memories that take part by the names of their offers."""
        if self.host.incognito:
            return {}
        names = [name for name, offer in self.host.offers("memory").items() if offer.always]
        chosen = self.host.config.section("hermes").memory
        if chosen and chosen not in names:
            names.append(chosen)
        opened = await asyncio.gather(*map(self._memory, names))
        found = zip(names, opened, strict=True)
        return {name: memory for name, memory in found if memory is not None}

    async def _memory(self, name: str) -> Memory | None:
        try:
            seconds = 0.05 if name in self._late else OPENING
            async with asyncio.timeout(seconds):  # no task of its own: SystemExit would leave it
                memory: Memory = await self.resources.get(
                    ("memory", name), lambda: self.host.create("memory", name)
                )
        except TimeoutError:  # it goes on opening: nobody waits for it that long again
            self._late.add(name)
            self.log.warning("memory not open yet", memory=name, seconds=seconds)
            return None
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            self.log.warning("memory left out", memory=name, error=one_line(error))
            return None
        return memory

    def _start_observers(self) -> None:
        for name in self.host.offers("observers"):
            try:
                observer = self.host.create("observers", name)
            except PluginError as error:
                self.log.warning("observer left out", observer=name, error=one_line(error))
                continue
            listener = Listener()
            task = asyncio.ensure_future(self._observe(name, observer, listener))
            self._observers.append((listener, task))

    async def _observe(self, name: str, observer: Any, listener: Listener) -> None:
        failures = 0
        async for info, event in listener.pairs():
            try:
                async with asyncio.timeout(OBSERVE):
                    await observer.observe(info, event)
                failures = 0
            except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
                failures += 1
                self.log.warning("observer raised", observer=name, error=one_line(error))
                if failures == 10:
                    self.log.error("observer dropped after ten errors in a row", observer=name)
                    listener.close()
                    return

    def observe(self, info: SessionInfo, event: Event) -> None:
        """Tell the observers."""
        for listener, _ in self._observers:
            listener.push(event, info)

    # -- for conversations --------------------------------------------------------------------

    def unborn(
        self,
        key: SessionKey | None,
        directory: str,
        parent: SessionId = "",
        *,
        person: PersonId = "",
    ) -> SessionInfo:
        """Make a conversation that the journal will have with its first turn."""
        id, person = new_id(), person or (key.person if key else "") or OWNER
        surface = key.platform if key and self.surface == "gateway" else self.surface
        info = SessionInfo(id, "", surface, person, directory, parent, created=now())
        born: tuple[Change, ...] = (
            Describe(id, surface=surface, person=person, directory=directory, parent=parent),
        )
        self._turns.unborn[id] = (*born, Bind(key, id)) if key else born
        if key:
            self._expected[key] = id
            self._expected.move_to_end(key)
            while len(self._expected) > EXPECTED:
                self._expected.popitem(last=False)
        return info

    def expected(self, key: SessionKey) -> SessionId:
        """Give the conversation that *key* was given last by this process, begun or not yet.

        Who read the binding just before it was committed finds it here. Empty where none was.
        """
        return self._expected.get(key, "")

    def newborn(self, id: SessionId) -> SessionInfo | None:
        """Describe a conversation of this process that has had no turn yet."""
        return self._turns.newborn(id)

    def birth(self, id: SessionId) -> tuple[Change, ...]:
        """Give what is to be committed with a conversation's first record, until it is `born`."""
        return self._turns.unborn.get(id, ())

    def born(self, id: SessionId) -> None:
        """The journal has the conversation now."""
        self._turns.unborn.pop(id, None)

    async def chosen_model(self, id: SessionId) -> str:
        """Give the model that a person chose for this conversation; empty where none was."""
        kept = await self.store.state("session", id, CHOSEN)
        return kept.decode() if kept else ""


def _whose(host: Host, kind: str, name: str) -> str:
    offer = host.offers(kind).get(name)
    return offer.plugin if offer is not None else name


def _same(made: Resource) -> Resource:
    return made
