"""Runs: turns that go on without the client who asked.

A run that was accepted (202) is in the journal before: what a crash cuts short goes on at the next
start, under its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from hermes import (
    Ended,
    Enqueue,
    Image,
    Settle,
    StoreError,
    TurnFinished,
    UserSaid,
    one_line,
)
from hermes_plugin_api_server.errors import APIError
from hermes_plugin_api_server.items import usage_of
from hermes_plugin_api_server.places import Place, Who
from hermes_plugin_api_server.turns import Turn

if TYPE_CHECKING:
    from hermes_plugin_api_server.api import API

QUEUE = "api-server/runs"
KEPT = 86_400.0
"""Seconds for which the end of a run is remembered."""
LONGEST = 12_000
"""Characters of an output that are remembered; the conversation has the whole."""
ENDS = {"ok": "completed", "cancelled": "cancelled"}


class Accepted(msgspec.Struct, frozen=True):
    """A run as the queue keeps it until its end."""

    session: str
    name: str
    person: str
    text: str
    images: tuple[Image, ...]
    model: str
    shown: str
    digest: str
    """Hash of the request, to tell a repeat from another use of its ``Idempotency-Key``."""
    created: float


class Run:
    """One run: what was accepted and the turn it became."""

    def __init__(self, id: str, accepted: Accepted, turn: Turn) -> None:
        self.id, self.accepted, self.turn = id, accepted, turn

    def describe(self) -> dict[str, Any]:
        """Say how it is, for ``GET /v1/runs/{id}``."""
        finished = self.turn.finished
        body = {
            "object": "hermes.run",
            "run_id": self.id,
            "status": self._status(),
            "session_id": self.accepted.name,
            "model": self.accepted.shown,
            "created_at": int(self.accepted.created),
        }
        if finished is None:
            asked = self.turn.questions.values()
            return {**body, "questions": [msgspec.to_builtins(one) for one in asked]}
        field = "output" if finished.status == "ok" else "error"
        return {**body, field: finished.reply, "usage": usage_of(finished.usage)}

    def _status(self) -> str:
        if self.turn.finished is not None:
            return ENDS.get(self.turn.finished.status, "failed")
        if self.turn.stopped:
            return "stopping"
        if self.turn.questions:
            return "waiting_for_approval"
        return "running" if self.turn.began else "queued"


class Runs:
    """The runs of this server."""

    def __init__(self, api: API) -> None:
        self._api = api
        self._runs: dict[str, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.deciding = asyncio.Lock()
        """Held while a request with an ``Idempotency-Key`` is looked up and accepted."""

    def count(self) -> dict[str, int]:
        """Count them by status."""
        counts: dict[str, int] = {}
        for run in self._runs.values():
            status = run.describe()["status"]
            counts[status] = counts.get(status, 0) + 1
        return counts

    def get(self, id: str) -> Run | None:
        return self._runs.get(id)

    async def past(self, id: str) -> dict[str, Any] | None:
        """Give the end of a run that is no longer here."""
        kept: dict[str, Any] | None = await self._api.state.get(f"run/{id}")
        return kept

    async def accept(
        self, id: str, place: Place, accepted: Accepted, begins: Callable[[], None]
    ) -> None:
        """Keep a run, then start it."""
        item = msgspec.json.encode(accepted)
        await self._api.runtime.store.commit((Enqueue(QUEUE, id, item),))
        self._begin(id, place, accepted, begins=begins)

    async def recover(self) -> None:
        """Go on with the runs that the end of an earlier process cut short."""
        for item in await self._api.runtime.store.pending(QUEUE):
            try:
                accepted = msgspec.json.decode(item.item, type=Accepted)
                await self._recover(item.key, accepted)
            except (StoreError, msgspec.DecodeError, APIError) as error:
                self._api.log.warning("run not resumed", run=item.key, error=one_line(error))

    async def _recover(self, id: str, accepted: Accepted) -> None:
        if await self.past(id) is not None:
            await self._settle(id, "ended")
            return
        who = Who(accepted.person)
        conversation = await self._api.places.by_id(who, accepted.session)
        if conversation is None:  # it had not begun
            named = accepted.name != accepted.session
            places = self._api.places
            place = await (places.named(who, accepted.name) if named else places.fresh(who))
            self._begin(id, place, accepted)
            return
        place = Place(conversation, accepted.name, new=False)
        records = await self._api.runtime.store.records(accepted.session)
        mine = {r.turn for r in records if isinstance(r.body, UserSaid) and r.body.sender == id}
        ends = [r.body for r in records if r.turn in mine and isinstance(r.body, Ended)]
        if ends:  # the journal has its end, the queue has not
            said = ends[-1].failure.message if ends[-1].failure else ""
            run = Run(id, accepted, Turn(conversation, "", authority=self._api.authority("")))
            run.turn.finished = TurnFinished(ends[-1].status, said, ends[-1].usage)
            await self._keep(run)
        else:
            self._begin(id, place, accepted, resume=conversation.info.open_turn in mine)

    def _begin(
        self,
        id: str,
        place: Place,
        accepted: Accepted,
        *,
        resume: bool = False,
        begins: Callable[[], None] | None = None,
    ) -> None:
        turn = Turn(
            place.conversation,
            accepted.text,
            authority=self._api.authority(accepted.person, can_ask=True),
            images=accepted.images,
            model=accepted.model,
            sender=id,
            resume=resume,
            begins=begins,
        )
        run = self._runs[id] = Run(id, accepted, turn)
        self._api.start(turn)
        task = asyncio.ensure_future(self._follow(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, run: Run) -> None:
        await run.turn.ended()
        if run.turn.cut:  # the process ends; the next one goes on
            return
        try:
            await self._keep(run)
        except StoreError as error:
            self._api.log.error("end of a run not kept", run=run.id, error=one_line(error))
        seconds = self._api.settings.run_ttl
        asyncio.get_running_loop().call_later(seconds, self._runs.pop, run.id, None)

    async def _keep(self, run: Run) -> None:
        body = run.describe()
        if len(body.get("output") or "") > LONGEST:
            body["output"] = body["output"][:LONGEST] + "…"
        kept = {"digest": run.accepted.digest, "body": body}
        await self._api.state.set(f"run/{run.id}", kept, seconds=KEPT)
        await self._settle(run.id, "ended")

    async def _settle(self, id: str, end: str) -> None:
        await self._api.runtime.store.commit((Settle(QUEUE, id, end),))
