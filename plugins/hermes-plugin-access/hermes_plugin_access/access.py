"""Decides who may talk to Hermes, and as whom: nobody, unless a list or a pairing says so.

What passes has a role, a person, and the key of the conversation it belongs to. What does not never
reaches a model; a stranger in a private chat may get a code to give to the owner, in a group
nothing at all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from hermes import (
    Admission,
    Inbound,
    Middleware,
    Next,
    PluginContext,
    Role,
    SessionKey,
    Stage,
)
from hermes_plugin_access import settings
from hermes_plugin_access.lists import Lists, highest
from hermes_plugin_access.pairing import Pairing
from hermes_plugin_access.persons import Persons
from hermes_plugin_access.reset import Reset

PRIVATE = ("link", "pairing")
"""Commands whose answers are for one person's eyes."""


class Access(Middleware):
    """Lets people in by list or pairing, and says who they are."""

    stage = Stage.GUARD

    def __init__(self, context: PluginContext, *, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings.read(context.config)
        self.lists = Lists(self.settings, context.config)
        self.pairing = Pairing(context.paths.data, clock)
        self.persons = Persons(context.paths.data, clock)
        self.reset = Reset(context, clock)
        self._log = context.log

    async def receive(self, inbound: Inbound, call_next: Next[Inbound, Admission]) -> Admission:
        if inbound.vouched:  # a program on a route of the owner's, no person
            return await call_next(inbound)
        if not self._is_for_us(inbound):
            return Admission("refused")
        role = self._role(inbound)
        if role is None:
            return await self._stranger(inbound)
        command = command_of(inbound)
        if inbound.group and command in PRIVATE:
            return Admission("refused", f"/{command} is not for a group: give it in a private chat")
        known = self._known(inbound, role, self.persons.of(inbound.sender))
        if command or inbound.answers:
            return await call_next(known)
        return await self._message(known, call_next)

    async def _message(self, known: Inbound, call_next: Next[Inbound, Admission]) -> Admission:
        """Let a message in, to a new conversation where the reset policy wants one."""
        where = known.bound or known.key
        if why := await self.reset.due(where):
            known = msgspec.structs.replace(known, fresh=True, notice=self._notice(known, why))
        admission = await call_next(known)
        if admission.outcome == "admitted":
            await self.reset.seen(where)
        return admission

    def _is_for_us(self, inbound: Inbound) -> bool:
        if not inbound.group or inbound.direct or inbound.answers:
            return True
        free = self.lists.is_free(inbound.key.platform, inbound.key.chat)
        return free or not self.settings.require_mention

    def _role(self, inbound: Inbound) -> Role | None:
        """Give the sender's role, by list or by pairing, whichever is more; None for a stranger."""
        roles = [self.lists.role(inbound)]
        if approved := self.pairing.approved(inbound.key.platform, inbound.sender.id):
            roles.append(approved.role)
        return highest(roles)

    def _known(self, inbound: Inbound, role: Role, person: str) -> Inbound:
        """Say who it is from, and where it belongs."""
        key, bound = inbound.key, None
        if inbound.group:
            own = self.settings.thread_sessions_per_user if key.thread else True
            if own and self.settings.group_sessions_per_user:
                key = msgspec.structs.replace(key, person=person)
        elif self.settings.share_conversation:
            bound = SessionKey("person", person)
        return msgspec.structs.replace(inbound, key=key, bound=bound, role=role, person=person)

    async def _stranger(self, inbound: Inbound) -> Admission:
        """Refuse somebody we do not know; in a private chat perhaps with a code."""
        platform, sender = inbound.key.platform, inbound.sender
        if inbound.group or not sender.id or self.lists.answered_with(platform) == "ignore":
            return Admission("refused")
        if not self.pairing.may_answer(platform, sender.id):
            return Admission("refused")
        said = await asyncio.to_thread(self.pairing.request, platform, sender.id, sender.name)
        if said:
            self._log.info("stranger answered", platform=platform, user=sender.id)
        return Admission("refused", said)

    def _notice(self, inbound: Inbound, why: str) -> str:
        policy = self.reset.settings
        if not policy.notify or inbound.key.platform in policy.notify_exclude_platforms:
            return ""
        return f"🕓 This is a new conversation: {why}. /resume goes back to the one before."


def command_of(inbound: Inbound) -> str:
    """Give the name of the command that a message is, or nothing."""
    words = inbound.text[1:].split(maxsplit=1) if inbound.text.startswith("/") else []
    return words[0].partition("@")[0].lower() if words else ""
