"""``/v1/responses``: the newer of OpenAI's two ways, where the server keeps the conversation.

A response's id names its conversation, so that what is kept of it (its head, what it followed) goes
when the conversation is forgotten; its text is read from the journal.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from hermes import Answer, Record, Text, UserSaid
from hermes_plugin_api_server.errors import APIError, bad, json_response
from hermes_plugin_api_server.items import Written, items_of
from hermes_plugin_api_server.places import Place, Who, headers_of
from hermes_plugin_api_server.prompt import Prompt, Said, WireMessage, prompt, read, said
from hermes_plugin_api_server.sse import Later, Stream

if TYPE_CHECKING:
    from hermes_plugin_api_server.api import API


class Named(msgspec.Struct, frozen=True):
    id: str


class ResponseRequest(msgspec.Struct, frozen=True):
    """The body. What is not here (sampling, the client's own tools) has no effect."""

    input: str | list[WireMessage]
    model: str = ""
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: str | Named | None = None
    metadata: dict[str, Any] | None = None
    store: bool | None = True
    stream: bool | None = False
    background: bool | None = False
    tool_choice: Any = None


class Kept(msgspec.Struct, frozen=True):
    """What is kept of a response beside the journal."""

    session: str
    before: int
    """Head of the conversation when its turn began."""
    head: int
    """And when it had ended."""
    body: dict[str, Any]
    """The response without its output."""


async def create_response(api: API, request: Request) -> Later | Stream:
    """Answer a request; the response can be followed by another, and read later."""
    body = read(await request.body(), ResponseRequest)
    if body.background:
        raise bad("There is /v1/runs for what goes on without its client.", param="background")
    if body.tool_choice not in (None, "auto", "none"):
        raise bad("Tools are Hermes's own and cannot be demanded.", param="tool_choice")
    if body.previous_response_id and body.conversation:
        raise bad("Either previous_response_id or conversation.", param="conversation")
    items = body.input
    messages = [Said("user", items)] if isinstance(items, str) else said(items, "input")
    asked = prompt(messages, body.instructions or "", "input")
    who = api.places.who(request.headers)
    place, asked = await find(api, who, asked, body.previous_response_id, body.conversation)
    turn = api.begin(place, who, asked, model=body.model)

    def remember(answer: str) -> None:
        if not (body.previous_response_id or body.conversation or who.session):
            api.places.remember(who, asked, answer, place.conversation.info)

    written = Written(
        api,
        place,
        turn,
        {
            "created_at": int(time.time()),
            "model": api.shown(body.model),
            "instructions": body.instructions,
            "previous_response_id": body.previous_response_id,
            "metadata": body.metadata or {},
            "store": body.store is not False,
        },
        remember,
    )
    if body.stream:
        return Stream(written.stream(), turn.stop, headers_of(place))
    return Later(written.whole(), turn.stop)


async def find(
    api: API, who: Who, asked: Prompt, previous: str | None, name: str | Named | None
) -> tuple[Place, Prompt]:
    """Give the conversation of a request, and the prompt with the history that it lacks."""
    if previous:
        return await _following(api, who, asked, previous)
    wanted = name.id if isinstance(name, Named) else name
    if wanted or who.session:
        return await api.places.named(who, wanted or who.session), asked
    return await api.places.matching(who, asked), asked


async def _following(api: API, who: Who, asked: Prompt, previous: str) -> tuple[Place, Prompt]:
    """Go on after a response. Where its conversation went on since, this is a branch: a new one
    that begins with what was said up to there.
    """
    kept = await load(api, who, previous, param="previous_response_id")
    conversation = await api.places.by_id(who, kept.session)
    assert conversation is not None
    if conversation.info.head == kept.head:
        place = Place(conversation, conversation.info.id, new=False, said=who.key)
        return place, asked
    records = await api.runtime.store.records(kept.session)
    history = tuple(spoken([record for record in records if record.seq <= kept.head]))
    branch = msgspec.structs.replace(asked, history=(*history, *asked.history))
    return await api.places.fresh(who), branch


async def get_response(api: API, request: Request) -> Response:
    """Read a response again, from the journal."""
    kept = await load(api, api.places.who(request.headers), request.path_params["id"])
    records = await api.runtime.store.records(kept.session, after=kept.before)
    output = items_of([record for record in records if record.seq <= kept.head])
    return json_response({**kept.body, "output": output})


async def delete_response(api: API, request: Request) -> Response:
    """Forget a response; its conversation stays in the journal."""
    id = request.path_params["id"]
    kept = await load(api, api.places.who(request.headers), id)
    await api.state.set(id, None, scope="session", of=kept.session)
    return json_response({"id": id, "object": "response", "deleted": True})


async def load(api: API, who: Who, id: str, *, param: str | None = None) -> Kept:
    """Find what is kept of a response. Raises `APIError` 404."""
    session = session_of(id)
    found = await api.state.get(id, scope="session", of=session) if session else None
    if found is None or await api.places.by_id(who, session) is None:
        said = f"There is no response {id[:100]!r}."
        raise APIError(
            404, said, code="previous_response_not_found" if param else None, param=param
        )
    return msgspec.convert({**found, "session": session}, Kept)


def session_of(id: str) -> str:
    """Give the conversation that a response's id names; empty for what is no such id."""
    try:
        return str(uuid.UUID(id.removeprefix("resp_")[:32])) if id.startswith("resp_") else ""
    except ValueError:
        return ""


def spoken(records: Sequence[Record]) -> list[Said]:
    """Give what was said in these records, for a branch."""
    found = []
    for record in records:
        if isinstance(record.body, UserSaid):
            found.append(Said("user", record.body.text, record.body.images))
        elif isinstance(record.body, Answer):
            text = "".join(part.text for part in record.body.parts if isinstance(part, Text))
            if text:
                found.append(Said("assistant", text))
    return found
