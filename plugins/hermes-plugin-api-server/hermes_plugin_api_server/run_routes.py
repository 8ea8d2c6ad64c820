"""``/v1/runs``: begin a run, hear it, answer it, stop it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hermes_plugin_api_server.errors import APIError, bad, json_response
from hermes_plugin_api_server.places import Who, headers_of
from hermes_plugin_api_server.prompt import Said, WireMessage, prompt, read, said
from hermes_plugin_api_server.responses import find
from hermes_plugin_api_server.run_events import written
from hermes_plugin_api_server.runs import Accepted, Run
from hermes_plugin_api_server.sse import Stream

if TYPE_CHECKING:
    from hermes_plugin_api_server.api import API


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


async def create_run(api: API, request: Request) -> Response:
    """Accept a run. The same request with the same ``Idempotency-Key`` is the same run."""
    raw = await request.body()
    who = api.places.who(request.headers)
    key = request.headers.get("idempotency-key", "")
    if not key:
        return await _accept(api, who, raw, f"run_{api.token()}")
    id = f"run_{hashlib.sha256(msgspec.json.encode((who.person, key))).hexdigest()[:32]}"
    async with api.runs.deciding:
        again = await _repeated(api, id, hashlib.sha256(raw).hexdigest())
        return again or await _accept(api, who, raw, id)


async def _accept(api: API, who: Who, raw: bytes, id: str) -> Response:
    body = read(raw, RunRequest)
    history = said(body.conversation_history or [], "conversation_history")
    items = [Said("user", body.input)] if isinstance(body.input, str) else said(body.input, "input")
    asked = prompt([*history, *items], body.instructions or "", "input")
    place, asked = await find(api, who, asked, body.previous_response_id, body.session_id)
    accepted = Accepted(
        place.conversation.info.id,
        place.name,
        who.person,
        api.places.text(place, asked),
        asked.images,
        api.chosen(body.model),
        api.shown(body.model),
        hashlib.sha256(raw).hexdigest(),
        time.time(),
    )
    await api.runs.accept(id, place, accepted, partial(api.places.tell, place, asked))
    started = {"run_id": id, "status": "started", "session_id": place.name}
    return json_response(started, 202, headers_of(place, [("location", f"/v1/runs/{id}")]))


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
