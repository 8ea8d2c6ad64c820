"""What every route works with, and the table of routes."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hermes import Authority, Log, State
from hermes_plugin_api_server.chat import complete
from hermes_plugin_api_server.errors import APIError, json_response
from hermes_plugin_api_server.places import SURFACE, Place, Places, Who
from hermes_plugin_api_server.prompt import Prompt
from hermes_plugin_api_server.responses import (
    create_response,
    delete_response,
    get_response,
)
from hermes_plugin_api_server.runs import (
    Runs,
    answer_run,
    create_run,
    get_run,
    run_events,
    stop_run,
)
from hermes_plugin_api_server.settings import APIServerSettings
from hermes_plugin_api_server.turns import Lanes, Turn

if TYPE_CHECKING:
    from hermes.runtime import Runtime


class API:
    """One running server: where conversations are found, which turns run, what routes share."""

    def __init__(
        self,
        runtime: Runtime,
        settings: APIServerSettings,
        *,
        state: State,
        log: Log,
        has_key: bool,
    ) -> None:
        self.runtime = runtime
        self.settings = settings
        self.state = state
        self.log = log
        self.has_key = has_key
        kernel: Any = runtime.host.config.section("hermes")
        self.places = Places(runtime, person=settings.person, directory=kernel.gateway.directory)
        self.lanes = Lanes(settings.concurrency)
        self.runs = Runs(self)
        self.began = time.time()
        self._turns: set[Turn] = set()

    def token(self) -> str:
        """Make the random part of an id."""
        return os.urandom(12).hex()

    def shown(self, model: str) -> str:
        """Say for an answer which model was asked."""
        return model or self.settings.model_name

    def chosen(self, model: str) -> str:
        """Give the model for a turn; empty for the conversation's own."""
        return model if model in self.settings.models else ""

    def begin(
        self,
        place: Place,
        who: Who,
        prompt: Prompt,
        *,
        model: str = "",
        can_ask: bool = False,
        sender: str = "",
    ) -> Turn:
        """Start the turn of a request."""
        turn = Turn(
            place.conversation,
            self.places.text(place, prompt),
            authority=self.authority(who.person, can_ask=can_ask),
            images=prompt.images,
            model=self.chosen(model),
            sender=sender,
        )
        self.start(turn)
        return turn

    def start(self, turn: Turn) -> None:
        """Let a turn run, as the server's own task."""
        self._turns.add(turn)
        turn.start(self.lanes).add_done_callback(lambda _: self._turns.discard(turn))

    def close(self) -> None:
        """The gateway ends: what has not begun does not begin any more."""
        for turn in list(self._turns):
            turn.leave()

    def authority(self, person: str, *, can_ask: bool = False) -> Authority:
        """What a request may do. Only who showed a key can be asked: elsewhere every program of
        this machine could answer for its own requests.
        """
        return Authority(SURFACE, person, "user", can_ask=can_ask and self.has_key)

    def application(self) -> Starlette:
        """Make the routes. The guard stands before all of them."""

        def route(path: str, method: str, serve: Callable[[API, Request], Awaitable[Any]]) -> Route:
            return Route(path, partial(serve, self), methods=[method])

        return Starlette(
            routes=[
                route("/health", "GET", health),
                route("/v1/health", "GET", health),
                route("/health/detailed", "GET", detailed_health),
                route("/v1/models", "GET", list_models),
                route("/v1/models/{model:path}", "GET", get_model),
                route("/v1/chat/completions", "POST", complete),
                route("/v1/responses", "POST", create_response),
                route("/v1/responses/{id}", "GET", get_response),
                route("/v1/responses/{id}", "DELETE", delete_response),
                route("/v1/runs", "POST", create_run),
                route("/v1/runs/{id}", "GET", get_run),
                route("/v1/runs/{id}/events", "GET", run_events),
                route("/v1/runs/{id}/approval", "POST", answer_run),
                route("/v1/runs/{id}/stop", "POST", stop_run),
            ],
            exception_handlers={APIError: _refuse, HTTPException: _no_route},
        )


async def health(api: API, request: Request) -> Response:
    """Say that the process lives, to anybody: nothing else."""
    return json_response({"status": "ok"})


async def detailed_health(api: API, request: Request) -> Response:
    """Say how much there is to do."""
    body = {
        "status": "ok",
        "pid": os.getpid(),
        "uptime": round(time.time() - api.began, 1),
        "turns": {"running": api.lanes.running, "waiting": api.lanes.waiting},
        "runs": api.runs.count(),
    }
    return json_response(body)


async def list_models(api: API, request: Request) -> Response:
    data = [_model(api, name) for name in (api.settings.model_name, *api.settings.models)]
    return json_response({"object": "list", "data": data})


async def get_model(api: API, request: Request) -> Response:
    name = request.path_params["model"]
    if name not in (api.settings.model_name, *api.settings.models):
        raise APIError(404, f"There is no model {name!r}.", code="model_not_found", param="model")
    return json_response(_model(api, name))


def _model(api: API, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(api.began), "owned_by": "hermes"}


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, APIError)
    return error.response()


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = f"There is no {request.method} {request.url.path}."
    refused = APIError(error.status_code, said, code="unknown_url")
    refused.headers.update(error.headers or {})
    return refused.response()
