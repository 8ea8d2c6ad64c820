"""``/v1/runs``: turns that go on without the client who asked, with events, answers and a stop.

A run that was accepted (202) is in the journal before: what a crash cuts short goes on at the next
start, under its id.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

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
from hermes_plugin_api_server.errors import APIError, bad, json_response
from hermes_plugin_api_server.items import usage_of
from hermes_plugin_api_server.places import Place, Who, headers_of
from hermes_plugin_api_server.prompt import Said, WireMessage, prompt, read, said
from hermes_plugin_api_server.responses import find
from hermes_plugin_api_server.run_events import written
from hermes_plugin_api_server.sse import Stream
from hermes_plugin_api_server.turns import Turn

if TYPE_CHECKING:
    from hermes_plugin_api_server.api import API

QUEUE = "api-server/runs"
KEPT = 86_400.0
"""Seconds for which the end of a run is remembered."""
LONGEST = 12_000
"""Characters of an output that are remembered; the conversation has the whole."""
ENDS = {"ok": "completed", "cancelled": "cancelled"}


class RunRequest(msgspec.Struct, frozen=True):
    """The body of ``POST /v1/runs``."""

    input: str | list[WireMessage]
    model: str = ""
    instructions: str | None = None
    session_id: str | None = None
    previous_response_id: str | None = None
    conversation_history: list[WireMessage] | None = None


class Decision(msgspec.Struct, frozen=True):
    """The body of ``POST /v1/runs/{id}/approval``."""

    choice: str = ""
    text: str = ""
    id: str = ""
    """Which question, where there are several; else the oldest."""


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

    async def accept(self, id: str, who: Who, place: Place, accepted: Accepted) -> Run:
        """Keep a run, then start it."""
        item = msgspec.json.encode(accepted)
        await self._api.runtime.store.commit((Enqueue(QUEUE, id, item),))
        return self._begin(id, place, accepted)

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

    def _begin(self, id: str, place: Place, accepted: Accepted, *, resume: bool = False) -> Run:
        turn = Turn(
            place.conversation,
            accepted.text,
            authority=self._api.authority(accepted.person, can_ask=True),
            images=accepted.images,
            model=accepted.model,
            sender=id,
            resume=resume,
        )
        run = self._runs[id] = Run(id, accepted, turn)
        self._api.start(turn)
        task = asyncio.ensure_future(self._follow(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return run

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


async def create_run(api: API, request: Request) -> Response:
    """Accept a run. The same request with the same ``Idempotency-Key`` is the same run."""
    raw = await request.body()
    body = read(raw, RunRequest)
    history = said(body.conversation_history or [], "conversation_history")
    items = [Said("user", body.input)] if isinstance(body.input, str) else said(body.input, "input")
    asked = prompt([*history, *items], body.instructions or "", "input")
    who = api.places.who(request.headers)
    digest = hashlib.sha256(raw).hexdigest()
    key = request.headers.get("idempotency-key", "")
    id = f"run_{api.token()}"
    if key:
        id = f"run_{hashlib.sha256(msgspec.json.encode((who.person, key))).hexdigest()[:32]}"
        again = await _repeated(api, id, digest)
        if again is not None:
            return again
    place, asked = await find(api, who, asked, body.previous_response_id, body.session_id)
    if api.runs.get(id) is not None:  # a repeat came in while we looked
        return await _repeated(api, id, digest) or json_response({}, 202)
    accepted = Accepted(
        place.conversation.info.id,
        place.name,
        who.person,
        api.places.text(place, asked),
        asked.images,
        api.chosen(body.model),
        api.shown(body.model),
        digest,
        time.time(),
    )
    run = await api.runs.accept(id, who, place, accepted)
    started = {"run_id": id, "status": "started", "session_id": place.name}
    return json_response(started, 202, headers_of(place, [("location", f"/v1/runs/{run.id}")]))


async def _repeated(api: API, id: str, digest: str) -> Response | None:
    run = api.runs.get(id)
    past = None if run else await api.runs.past(id)
    if run is None and past is None:
        return None
    if digest != (run.accepted.digest if run else past and past["digest"]):
        said = "This Idempotency-Key was used for another request."
        raise APIError(409, said, code="idempotency_key_conflict")
    name = run.accepted.name if run else past and past["body"]["session_id"]
    body = {"run_id": id, "status": "started", "session_id": name}
    return json_response(body, 202, {"idempotency-replayed": "true"})


async def get_run(api: API, request: Request) -> Response:
    """Say how a run is; for a day after its end, too."""
    id = request.path_params["id"]
    run = _mine(api, request)
    if run is not None:
        return json_response(run.describe())
    past = await api.runs.past(id)
    if past is None:
        raise _unknown(id)
    return json_response(past["body"])


async def run_events(api: API, request: Request) -> Stream:
    """Give what happens in a run, from its beginning; leaving does not stop it."""
    run = _needed(api, request)

    async def events() -> AsyncIterator[bytes]:
        async for heard in run.turn.events():
            line = written(run.id, heard)
            if line is not None:
                yield line

    return Stream(events(), lambda: None)


async def answer_run(api: API, request: Request) -> Response:
    """Answer a question of this run."""
    run = _needed(api, request)
    body = read(await request.body(), Decision)
    questions = run.turn.questions
    asked = questions.get(body.id) if body.id else next(iter(questions.values()), None)
    if asked is None:
        raise APIError(409, "Nothing waits for an answer.", code="approval_not_pending")
    if asked.choices and body.choice not in (*asked.choices, "deny"):
        said = f"Answer with one of: {', '.join((*asked.choices, 'deny'))}."
        raise bad(said, param="choice", code="invalid_approval_choice")
    by = run.accepted.person
    if not await api.runtime.answer(asked.id, body.choice, body.text, by=by):
        raise APIError(409, "It was answered already, or its time is over.", code="too_late")
    done = {"object": "hermes.run.approval_response", "run_id": run.id, "choice": body.choice}
    return json_response({**done, "id": asked.id, "resolved": 1})


async def stop_run(api: API, request: Request) -> Response:
    """Stop a run: what is finished stays, its children die."""
    run = _needed(api, request)
    if run.turn.finished is None:
        run.turn.stop()
        return json_response({"run_id": run.id, "status": "stopping"})
    return json_response({"run_id": run.id, "status": run.describe()["status"]})


def _mine(api: API, request: Request) -> Run | None:
    """Give a run that is here. Its id is 96 random bits or more; the key was checked before."""
    return api.runs.get(request.path_params["id"])


def _needed(api: API, request: Request) -> Run:
    run = _mine(api, request)
    if run is None:
        raise _unknown(request.path_params["id"])
    return run


def _unknown(id: str) -> APIError:
    return APIError(404, f"There is no run {id[:100]!r}.", code="run_not_found")
